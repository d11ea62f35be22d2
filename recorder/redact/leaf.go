package redact

import (
	"bytes"

	"github.com/svcspy/svcspy/store/rawjson"
)

// leaf consumes a string of a built-in object that no rule of its own looks at.
// One word stays, for it names something, and so does what the member is known to
// hold. Everything else is judged.
func (w *walk) leaf(key []byte) {
	ahead := w.c
	quoted, escaped := ahead.Quoted()
	if ahead.Err() != nil || escaped {
		w.judged(environment, key)
		return
	}
	text := quoted[1 : len(quoted)-1]
	switch {
	case len(text) == 0 || text[0] == tokenOpen[0] && isToken(text), (w.amounts || amountMembers[string(key)]) && isAmount(text), w.amounts && isInstant(text):
		w.c.Skip()
	case encodedPublic[string(key)]:
		w.encoded()
	case w.schema:
		w.text(pattern, false)
	case isName(text) && (len(text) < 6 || !isMixed(text)), namesThing(key) && isReferenceText(text) && !hasRandomPart(text):
		w.text(pattern, true)
	default:
		w.judged(environment, key)
	}
}

// amounts are the members of built-in objects whose own members are quantities or
// times, by names that anybody may choose (ResourceList in k8s.io/api/core/v1;
// disruptedPods in policy/v1). The API server lets nothing else in, and an object
// with anything else cannot be decoded.
var amounts = wordSet(`disruptedPods limits requests capacity allocatable allocated allocatedResources hard used overhead podFixed
	default defaultRequest max min maxLimitRequestRatio consumedCapacity`)

// amountMembers are the members of built-in objects that are a quantity themselves
// (resource.Quantity in k8s.io/api). What has a shape of another kind under such a
// name is judged as any string.
var amountMembers = wordSet(`sizeLimit divisor value averageValue currentValue currentAverageValue targetValue targetAverageValue tolerance
	maximumVolumeSize capacityMultiplier deviceMultiplier perContainer perPod capacity validValues step min max default quantity available consumed total`)

// isAmount reports whether a text is a quantity as Kubernetes writes it: digits, a
// point, and an exponent or a suffix of at most two letters
// (k8s.io/apimachinery/pkg/api/resource).
func isAmount(v []byte) bool {
	v = bytes.TrimLeft(v, "+-")
	digits := 0
	for digits < len(v) && (isDigit(v[digits]) || v[digits] == '.') {
		digits++
	}
	suffix := v[digits:]
	if digits == 0 || digits > 40 {
		return false
	}
	if len(suffix) > 1 && (suffix[0] == 'e' || suffix[0] == 'E') && suffix[1] != 'i' {
		return isNumber(suffix[1:])
	}
	switch string(suffix) {
	case "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei":
		return true
	}
	return false
}

// encodedPublic are members that hold certificates, public keys and signatures in
// base64 ([]byte in k8s.io/api): they are public and look random.
var encodedPublic = wordSet(`caBundle certificate request certificateAuthorityData publicKey pkixPublicKey proofOfPossession stubPKCS10Request`)

// encoded consumes a member in base64. It stays, or is replaced as a whole by a
// token in base64, so that the object can be decoded.
func (w *walk) encoded() {
	start := w.c.At
	value := w.string()
	if _, secret := w.scan(value, false); !secret {
		return
	}
	if token, changed := w.place(placeText).encoded(value); changed {
		w.replace(pattern, start, rawjson.Quote(nil, token))
	}
}

// namedThings are the members of built-in objects that hold names, kinds, versions
// and ids.
var namedThings = wordSet(`name names kind apiVersion apiGroup apiGroups group groups version versions resource resources verb verbs key keys type types reason
	phase uid image imageID containerID namespace topologyKey holderIdentity providerID controller provisioner attacher driver drivers
	signerName bootID machineID systemUUID osImage kernelVersion containerRuntimeVersion kubeletVersion kubeProxyVersion fieldPath host hosts hostname
	component manager operation subresource usages username userAgent ip hostIP podIP clusterIP addresses address cidr podCIDR
	volumeHandle scopes topologyKeys nodeID user subdomain revision currentRevision updateRevision hash architecture operatingSystem subject
	matchPolicy resourceVersion creationTimestamp time startTime endpoint targetPort containerPort port cpu memory storage pods attribute attributes
	succeeded failed singular plural shortNames listKind categories conversionReviewVersions admissionReviewVersions storedVersions`)

// namesThing reports whether a member of a built-in object names something.
func namesThing(key []byte) bool {
	if namedThings[string(key)] {
		return true
	}
	for _, end := range []string{"Name", "Names", "Version", "Kind", "UID", "Class", "ID", "IP", "IPs", "Time", "Timestamp"} {
		if bytes.HasSuffix(key, []byte(end)) && !secretName(key, certain) {
			return true
		}
	}
	return false
}

// isReferenceText reports whether a text has nothing in it but what names,
// images, ids and references are made of. A user in front of an @ is none.
func isReferenceText(v []byte) bool {
	if len(v) > longestShape {
		return false
	}
	for i, b := range v {
		switch {
		case isAlnum(b):
		case b == '@':
			if !isDigest(v[i+1:]) {
				return false
			}
		case bytes.IndexByte([]byte("-._/:+()*{}[] ,"), b) < 0:
			return false
		}
	}
	return true
}

// hasRandomPart reports whether a part of a text was made by chance: it is longer
// than the hashes that controllers put into names, and has letters of both cases.
func hasRandomPart(v []byte) bool {
	for part := range bytes.FieldsFuncSeq(v, func(r rune) bool { return r < 0x80 && !isAlnum(byte(r)) }) {
		if longRandom(part) && bytes.ContainsFunc(part, func(r rune) bool { return 'a' <= r && r <= 'z' }) && bytes.ContainsFunc(part, func(r rune) bool { return 'A' <= r && r <= 'Z' }) {
			return true
		}
	}
	return false
}
