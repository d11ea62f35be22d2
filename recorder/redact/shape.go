package redact

import (
	"bytes"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// longestShape bounds what can be harmless by its shape.
const longestShape = 512

// shaped reports whether the shape of a value says that it is no secret: a
// number, a duration, a quantity, a time, an address, a host name, a path, a
// version, an image, or words of the vocabulary. The name of the value widens
// what is believed of it: a word in DB_HOST is a host.
func shaped(name, v []byte) bool {
	switch {
	case len(v) == 0:
		return true
	case len(v) > longestShape || !utf8.Valid(v):
		return false
	case isPunctuation(v), isNumber(v), isQuantity(v), isDuration(v), isVersion(v), isInstant(v), isAddress(v):
		return true
	case isWords(v):
		return !isPasswordFile(v)
	}
	return isTimeZone(v) || isLocale(v) || isHost(v) || isHostPort(name, v) || isImage(name, v) || isPath(v) || isCron(v) || isDigest(v) ||
		named(name, v)
}

// named reports whether the name of a value says what a single word is.
func named(name, v []byte) bool {
	if !isLabel(v) || isMixed(v) {
		return false
	}
	switch lastWord(name) {
	case "host", "hostname", "hosts", "service", "namespace", "cluster", "region", "zone", "node", "container":
		return true
	}
	return false
}

// lastWord returns the last word of a name in lower case: "host" of DB_HOST and
// dbHost.
func lastWord(name []byte) string {
	end := len(name)
	for end > 0 && !isAlnum(name[end-1]) {
		end--
	}
	start := end
	for start > 0 && isAlnum(name[start-1]) {
		start--
		if isUpper(name[start]) && start > 0 && isLower(name[start-1]) {
			break
		}
	}
	return strings.ToLower(string(name[start:end]))
}

func isPunctuation(v []byte) bool {
	for _, b := range v {
		if isAlnum(b) || b >= 0x80 {
			return false
		}
	}
	return true
}

// isNumber: a decimal number of a size that counts, sizes and times have. Longer
// ones are ids.
func isNumber(v []byte) bool {
	v = bytes.TrimLeft(v, "+-")
	n, dots := 0, 0
	for _, b := range v {
		switch {
		case isDigit(b):
			n++
		case b == '.' && n > 0:
			dots++
		default:
			return false
		}
	}
	return n > 0 && n <= 10 && dots <= 1 || n > 0 && dots == 1 && n <= 17
}

// isQuantity: a number with a unit: 100m, 512Mi, 10GB, 80%, 1e3, 30s, 10Mbps, 0x1F.
func isQuantity(v []byte) bool {
	v = bytes.TrimLeft(v, "+-<>=~")
	i := 0
	for i < len(v) && (isDigit(v[i]) || v[i] == '.' && i > 0) {
		i++
	}
	if i == 0 || i > 12 {
		return false
	}
	switch strings.ToLower(string(v[i:])) {
	case "%", "m", "k", "g", "t", "p", "e", "n", "u", "ki", "mi", "gi", "ti", "pi", "ei", "b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib",
		"s", "ms", "us", "µs", "ns", "h", "d", "w", "y", "min", "mins", "sec", "secs", "hr", "hrs", "mbps", "gbps", "kbps", "hz", "mhz", "ghz",
		"x", "st", "nd", "rd", "th", "gib.", "core", "cores", "cpu", "cpus":
		return true
	}
	return i <= 3 && len(v) <= i+4 && (v[i] == 'e' || v[i] == 'E') && isNumber(v[i+1:])
}

// isDuration: 1h30m, 90.5s, PT5M, P1D.
func isDuration(v []byte) bool {
	if len(v) > 24 {
		return false
	}
	if v[0] == 'P' && len(v) > 2 {
		for _, b := range v[1:] {
			if !isDigit(b) && bytes.IndexByte([]byte("YMWDTHS."), b) < 0 {
				return false
			}
		}
		return bytes.ContainsAny(v, "0123456789")
	}
	units := 0
	for i := 0; i < len(v); units++ {
		digits := i
		for i < len(v) && (isDigit(v[i]) || v[i] == '.') {
			i++
		}
		if i == digits || i-digits > 12 {
			return false
		}
		rest := v[i:]
		n := 0
		for _, unit := range []string{"ms", "us", "µs", "ns", "h", "m", "s", "d"} {
			if bytes.HasPrefix(rest, []byte(unit)) {
				n = len(unit)
				break
			}
		}
		if n == 0 {
			return false
		}
		i += n
	}
	return units > 0
}

// isVersion: 1.2.3, v2, v1.33.2-gke.100, 1.27.0+k3s1, 2.x, ^3.4, v1beta1.
func isVersion(v []byte) bool {
	v = bytes.TrimLeft(v, "^~<>=v")
	if len(v) == 0 || len(v) > 40 || !isDigit(v[0]) {
		return false
	}
	i, dots := 0, 0
	for i < len(v) && (isDigit(v[i]) || v[i] == '.' || v[i] == 'x' || v[i] == '*') {
		if v[i] == '.' {
			dots++
		}
		i++
	}
	if i == len(v) {
		return i <= 24 && (dots > 0 || i <= 4)
	}
	rest := bytes.TrimLeft(v[i:], "-+_.")
	if i > 20 || len(rest) > 24 {
		return false
	}
	if dots == 0 && len(rest) == len(v)-i { // v1beta1
		word := bytes.TrimRight(rest, "0123456789")
		return i <= 2 && len(rest)-len(word) <= 2 && (string(word) == "alpha" || string(word) == "beta" || string(word) == "rc")
	}
	for part := range bytes.FieldsFuncSeq(rest, func(r rune) bool { return r == '.' || r == '-' || r == '+' || r == '_' }) {
		word := bytes.TrimRight(part, "0123456789")
		if len(part)-len(word) > 8 || len(word) > 0 && !inVocabulary(string(word)) && !(len(word) <= 4 && len(part) <= 6) {
			return false
		}
	}
	return true
}

// isInstant: a date, or a time with or without one.
func isInstant(v []byte) bool {
	if len(v) < 5 || len(v) > 40 || !isDigit(v[0]) {
		return false
	}
	digits, signs := 0, 0
	for i, b := range v {
		switch {
		case isDigit(b):
			digits++
		case b == ':' || b == '-' || b == '/' || b == '.' || b == '+' || b == ' ':
			signs++
		case (b == 'T' || b == 'Z') && i > 4:
		default:
			return false
		}
	}
	colons := bytes.Count(v, []byte(":"))
	if colons >= 1 && colons <= 4 && digits <= 6 && signs <= colons+1 && len(bytes.Trim(v, "0123456789:.Z")) == 0 { // 14:02:11.5
		return true
	}
	return len(v) >= 10 && (v[4] == '-' && v[7] == '-' || v[4] == '/' && v[7] == '/') && digits >= 8
}

// isAddress: an IP address, a CIDR, or an address with a port.
func isAddress(v []byte) bool {
	if len(v) < 2 || len(v) > 64 || !isHexDigit(v[0]) && v[0] != ':' && v[0] != '[' {
		return false
	}
	if bytes.IndexByte(v, '.') < 0 && bytes.IndexByte(v, ':') < 0 {
		return false
	}
	s := string(v)
	if s[0] == ':' && isPort(v[1:]) { // :8080
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(s)
	return err == nil
}

func isHexDigit(b byte) bool { return isHex(b) || 'A' <= b && b <= 'F' }

func isPort(v []byte) bool {
	v = bytes.TrimSuffix(bytes.TrimSuffix(v, []byte("/tcp")), []byte("/udp"))
	return len(v) > 0 && len(v) <= 5 && len(bytes.Trim(v, "0123456789")) == 0
}

// isLabel: a DNS label, in whichever case.
func isLabel(v []byte) bool {
	if len(v) == 0 || len(v) > 63 || v[0] == '-' || v[len(v)-1] == '-' {
		return false
	}
	for _, b := range v {
		if !isAlnum(b) && b != '-' && b != '_' {
			return false
		}
	}
	return true
}

// isMixed reports whether letters and digits, or cases, change places in a way
// that words do not: in x7Kp2 or 4f9a, not in web-1, web1, eu-west-1, ipv4 or
// sha256. UIDs and digests are mixed.
func isMixed(v []byte) bool {
	for part := range bytes.FieldsFuncSeq(v, func(r rune) bool { return r < 0x80 && !isAlnum(byte(r)) }) {
		word := bytes.TrimRight(part, "0123456789")
		if len(part)-len(word) > 4 && (len(word) > 0 || len(part) > 6) {
			return true
		}
		cases := 0
		for i, b := range word {
			if isDigit(b) && !(i < 2 && len(word) < 5) { // 2xx, 3scale
				return true
			}
			if i > 0 && isUpper(b) != isUpper(word[i-1]) {
				cases++
			}
		}
		if cases > 2+len(word)/4 {
			return true
		}
	}
	return false
}

// topLevels are the ends of host names that are known to be such. Unknown ones
// must be made of words.
var topLevels = wordSet(`com net org io dev app cloud ai co us uk eu de fr nl ch at it es se no dk fi pl cz jp cn in br au ca ru kr be ie pt gov edu mil
	int biz info me tv sh gg ly so xyz tech online site svc local internal intranet lan corp home localdomain localhost example test invalid arpa
	cluster consul k8s private prod aws azure gcp`)

// isHost: a host name of several labels, without a user.
func isHost(v []byte) bool {
	name := bytes.TrimPrefix(bytes.TrimSuffix(v, []byte(".")), []byte("*."))
	if len(name) < 4 || len(name) > 253 || bytes.IndexByte(name, '.') < 0 {
		return false
	}
	last := ""
	for label := range bytes.SplitSeq(name, []byte(".")) {
		if !isLabel(label) || isMixed(label) && !isAmazon(label) && !isMade(label) {
			return false
		}
		for _, b := range label {
			if isUpper(b) {
				return false
			}
		}
		last = string(label)
	}
	return topLevels[last] || isWords(bytes.ReplaceAll(name, []byte("."), []byte("-")))
}

// isAmazon: what load balancers and instances are called there.
func isAmazon(label []byte) bool {
	return bytes.HasPrefix(label, []byte("ip-")) && len(bytes.Trim(label[3:], "0123456789-")) == 0
}

// isMade: a name that a controller made: words, or anything with a ReplicaSet's
// hash, and five letters of an alphabet without vowels behind it.
func isMade(v []byte) bool {
	const made = "bcdfghjklmnpqrstvwxz2456789"
	end := bytes.LastIndexByte(v, '-')
	if end < 1 || len(v)-end-1 != 5 || len(bytes.Trim(v[end+1:], made)) > 0 {
		return false
	}
	rest := v[:end]
	if n := bytes.LastIndexByte(rest, '-'); n > 0 && len(rest)-n-1 >= 8 && len(rest)-n-1 <= 10 && len(bytes.Trim(rest[n+1:], made)) == 0 {
		return isLabel(rest[:n]) && !isMixed(rest[:n])
	}
	return isWords(rest)
}

// isHostPort: host:port, where the host is one by its shape or by the name of
// the value.
func isHostPort(name, v []byte) bool {
	colon := bytes.LastIndexByte(v, ':')
	if colon < 1 || !isPort(v[colon+1:]) {
		return false
	}
	host := v[:colon]
	if isHost(host) || isWords(host) || isPort(host) {
		return true
	}
	switch lastWord(name) {
	case "addr", "address", "addresses", "endpoint", "endpoints", "server", "servers", "brokers", "url", "uri", "hosts", "host", "listen":
		return isLabel(host) && !isMixed(host)
	}
	return false
}

// isImage: registry/path:tag, path@sha256:..., or by its name.
func isImage(name, v []byte) bool {
	ref, digest, pinned := bytes.Cut(v, []byte("@"))
	if pinned && !isDigest(digest) {
		return false
	}
	slash := bytes.LastIndexByte(ref, '/')
	tag := []byte(nil)
	if colon := bytes.LastIndexByte(ref, ':'); colon > slash {
		ref, tag = ref[:colon], ref[colon+1:]
	}
	if len(tag) > 0 && !isVersion(tag) && !isWords(tag) && (isMixed(tag) || !isLabel(tag)) {
		return false
	}
	first, rest, has := bytes.Cut(ref, []byte("/"))
	registry := has && (isHost(first) || isHostPort(nil, first) || isAddress(first))
	path := ref
	if registry {
		path = rest
	}
	for part := range bytes.SplitSeq(path, []byte("/")) {
		if !isName(part) || isMixed(part) || bytes.ContainsAny(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") { // an image has no capitals
			return false
		}
	}
	switch lastWord(name) {
	case "image", "repository", "img":
		return true
	}
	return registry || pinned || isVersion(tag) && isWords(bytes.ReplaceAll(path, []byte("/"), []byte("-")))
}

// isName: what names of objects are made of.
func isName(v []byte) bool {
	if len(v) == 0 || len(v) > 253 || !isAlnum(v[0]) || !isAlnum(v[len(v)-1]) {
		return false
	}
	for _, b := range v {
		if !isAlnum(b) && b != '-' && b != '.' && b != '_' {
			return false
		}
	}
	return true
}

// isDigest: sha256:... and its kind, alone or as the id of a container.
func isDigest(v []byte) bool {
	algorithm, sum, ok := bytes.Cut(v, []byte(":"))
	sum = bytes.TrimPrefix(sum, []byte("//"))
	if !ok || len(sum) != 64 && len(sum) != 128 || len(bytes.Trim(sum, "0123456789abcdef")) > 0 {
		return false
	}
	switch string(algorithm) {
	case "sha256", "sha512", "containerd", "docker", "cri-o":
		return true
	}
	return false
}

// roots are the first parts of absolute paths.
var roots = wordSet(`bin boot dev etc home lib lib64 media mnt opt proc root run sbin srv sys tmp usr var app apps data config configs conf src workspace
	docker-entrypoint-initdb.d certs cert ssl tls secrets hostfs rootfs logs cache pki`)

// isPath: an absolute path, or one of words; each part is a word or a name.
func isPath(v []byte) bool {
	if len(v) > 300 || bytes.IndexByte(v, '/') < 0 {
		return false
	}
	path := v
	for _, prefix := range []string{"~/", "./", "../", "$HOME/", "file://", "unix://"} {
		path = bytes.TrimPrefix(path, []byte(prefix))
	}
	absolute := path[:min(1, len(path))]
	path = bytes.Trim(path, "/")
	if len(path) == 0 {
		return true
	}
	first, _, _ := bytes.Cut(path, []byte("/"))
	known := string(absolute) == "/" && roots[string(first)]
	for part := range bytes.SplitSeq(path, []byte("/")) {
		if len(part) == 0 || string(part) == "." || string(part) == ".." || string(part) == "*" || isVersion(part) || isNumber(part) {
			continue
		}
		if isWords(part) {
			continue
		}
		if !known || !isPlainSegment(part) {
			return false
		}
	}
	return true
}

// isPlainSegment: a part of a path that is not made of the vocabulary but looks
// like what people call files.
func isPlainSegment(part []byte) bool {
	part = bytes.Trim(part, "._-")
	return len(part) <= 40 && isName(part) && !isMixed(part)
}

// isTimeZone: Europe/Berlin, Etc/UTC.
func isTimeZone(v []byte) bool {
	area, city, ok := bytes.Cut(v, []byte("/"))
	if !ok || len(v) > 40 {
		return false
	}
	switch string(area) {
	case "Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific", "Etc", "US":
		return len(city) > 1 && isUpper(city[0]) && len(bytes.Trim(city, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_/+-0123456789")) == 0 && !isMixed(city)
	}
	return false
}

// isLocale: en_US.UTF-8.
func isLocale(v []byte) bool {
	if len(v) < 5 || len(v) > 12 || !isLower(v[0]) || !isLower(v[1]) || v[2] != '_' && v[2] != '-' || !isUpper(v[3]) || !isUpper(v[4]) {
		return false
	}
	rest := v[5:]
	return len(rest) == 0 || rest[0] == '.' && strings.EqualFold(strings.ReplaceAll(string(rest[1:]), "-", ""), "utf8")
}

// isCron: a schedule of five or six fields.
func isCron(v []byte) bool {
	if len(v) < 9 || len(v) > 64 || len(bytes.Trim(v, "0123456789*/,- ?LW#")) > 0 {
		return false
	}
	n := len(bytes.Fields(v))
	return n == 5 || n == 6
}

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}
