package redact

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// Gate B, for what is given away. Everything goes through gate A first, with a
// key of its own, which finds nothing to do in a recording that went through it
// before: tokens stay tokens. Then, by policy:
//
//	                                    standard                      strict
//	names of Secrets                    stay                          a token
//	keys of ConfigMaps                  stay                          a token
//	annotations                         a token for what is longer    a token for all but those that
//	                                    than 256 bytes                Kubernetes itself decides by
//	env                                 a token for every value       the same
//	args, commands, exec                --name=value, queries of URLs a token for each
//	headers of probes                   as gate A                     a token for each
//	managedFields                       stay                          gone
//	custom resources                    as gate A                     a token for every string but in
//	                                                                  metadata and conditions
//	providerID, account ids             a token                       the same
//	IP addresses                        stay                          others of the same family; what
//	                                                                  lies in a CIDR still does
//	host names, nodes, registries       stay                          h1.example, node-a, registry-1.example
//	messages                            queries of URLs               a token for each word that is
//	                                                                  neither Kubernetes' nor a name
//
// Names of other objects, namespaces, labels, selectors, ports, images and times
// stay: without them nothing can be explained. Routes and Gateways of
// gateway.networking.k8s.io are no custom resources here, because the analyzer
// reads them.
type Share struct {
	gateA  *Policy
	strict bool
	names  *pseudonyms
	counts [shareRules]uint64

	// Logs keeps the lines of container logs, redacted as other text; without it
	// they are left out.
	Logs bool
}

// shareRule says why gate B replaced something.
type shareRule int

const (
	shareEnv shareRule = iota
	shareArgument
	shareHeader
	shareAnnotation
	shareQuery
	shareAccount
	shareSecretName
	shareConfigKey
	shareManaged
	shareCustom
	shareAddress
	shareHost
	shareNode
	shareWord
	shareRules
)

var shareRuleNames = [shareRules]string{
	"envValues", "arguments", "headers", "annotations", "queries", "accounts", "secretNames", "configMapKeys", "managedFields",
	"customResources", "addresses", "hostNames", "nodeNames", "words",
}

// SharePolicies are the policies of gate B.
var SharePolicies = []string{"standard", "strict"}

// NewShare returns gate B with random keys of its own. For the policy strict,
// Learn must be called with every event before the first is changed.
func NewShare(policy string) (*Share, error) {
	if policy != "standard" && policy != "strict" {
		return nil, fmt.Errorf("sharing policy %q is not one of %s", policy, strings.Join(SharePolicies, ", "))
	}
	s := &Share{gateA: Standard(false), strict: policy == "strict"}
	s.names = newPseudonyms(s.gateA)
	return s, nil
}

// Learns reports whether Learn must be called.
func (s *Share) Learns() bool { return s.strict }

// Header changes what a recording says of itself.
func (s *Share) Header(h *store.Header) {
	own := s.gateA.Redaction()
	h.Redaction.Policy, h.Redaction.Version = own.Policy, own.Version
	h.Redaction.Shared = "standard"
	h.Cluster.Context = string(s.accounts([]byte(h.Cluster.Context)))
	if !s.strict {
		return
	}
	h.Redaction.Shared = "strict"
	if h.Cluster.Context != "" {
		h.Cluster.Context = "cluster-1"
	}
	if h.Source != nil {
		source := *h.Source
		source.Subjects = nil
		for _, subject := range h.Source.Subjects {
			if node, is := strings.CutPrefix(subject, "Node "); is {
				subject = "Node " + s.names.node(node)
			}
			source.Subjects = append(source.Subjects, subject)
		}
		h.Source = &source
	}
}

// Event takes out of an event what the policy does not give away.
func (s *Share) Event(e *store.Event) error {
	if e.Name != "" && s.strict {
		e.Name = s.names.object(e.Resource.GroupResource(), e.Namespace, e.Name)
	}
	if len(e.Object) == 0 {
		return nil
	}
	if e.Resource == kinds.ContainerLogs && !s.Logs {
		var err error
		if e.Object, err = withoutLines(e.Object); err != nil {
			return err
		}
	}
	text, err := s.gateA.Object(nil, e.Resource, e.Object)
	if err != nil {
		return err
	}
	w := newShareWalk(s, e.Resource.GroupResource(), text)
	w.namespace = e.Namespace
	w.value(nil)
	w.c.End()
	if err := w.c.Err(); err != nil {
		return fmt.Errorf("redact %s: %w", e.Resource.Resource, err)
	}
	e.Object = append(w.out, text[w.copied:]...)
	return nil
}

// withoutLines returns a ContainerLog without what the container said.
func withoutLines(object []byte) ([]byte, error) {
	var log kinds.ContainerLog
	if err := json.Unmarshal(object, &log); err != nil {
		return nil, fmt.Errorf("redact %s: %w", kinds.ContainerLogs.Resource, err)
	}
	log.Lines, log.Cut, log.Error = []string{}, true, "left out when this was shared"
	return json.Marshal(log)
}

// Coverage does the same with the words of the API server.
func (s *Share) Coverage(c *store.Coverage) error {
	if c.Reason != store.Stopped { // which readers tell by
		c.Reason = s.text(c.Reason)
	}
	return nil
}

// Mark does the same with what somebody remarked.
func (s *Share) Mark(m store.Mark) store.Mark {
	m.Text = s.text(m.Text)
	if m.Author != "" && s.strict {
		m.Author = string(s.gateA.token([]byte(m.Author)))
	}
	return m
}

func (s *Share) text(text string) string {
	return string(s.prose([]byte(s.gateA.Text(text))))
}

// prose is a text that programs write for people.
func (s *Share) prose(text []byte) []byte {
	text = s.accounts(s.queries(text))
	if !s.strict {
		return text
	}
	return s.words(text)
}

// Counts returns how many values each rule of both gates has replaced so far.
func (s *Share) Counts() map[string]uint64 {
	counts := s.gateA.Counts()
	for i, name := range shareRuleNames {
		if n := s.counts[i]; n > 0 {
			counts[name] += n
		}
	}
	return counts
}
