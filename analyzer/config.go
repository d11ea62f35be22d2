package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// configRef is a ConfigMap or Secret that a container reads.
type configRef struct {
	kind, name string
	key        string // "" for all
	optional   bool
	volume     bool // as files, which follow changes; environment does not
}

// configRefs lists what a container reads, by environment and volumes, in the
// order of the spec.
func configRefs(spec *corev1.PodSpec, k *corev1.Container) []configRef {
	var refs []configRef
	add := func(kind, name, key string, optional *bool, volume bool) {
		if name != "" {
			refs = append(refs, configRef{kind, name, key, optional != nil && *optional, volume})
		}
	}
	for _, e := range k.EnvFrom {
		if r := e.ConfigMapRef; r != nil {
			add("ConfigMap", r.Name, "", r.Optional, false)
		}
		if r := e.SecretRef; r != nil {
			add("Secret", r.Name, "", r.Optional, false)
		}
	}
	for _, e := range k.Env {
		if e.ValueFrom == nil {
			continue
		}
		if r := e.ValueFrom.ConfigMapKeyRef; r != nil {
			add("ConfigMap", r.Name, r.Key, r.Optional, false)
		}
		if r := e.ValueFrom.SecretKeyRef; r != nil {
			add("Secret", r.Name, r.Key, r.Optional, false)
		}
	}
	for _, v := range spec.Volumes {
		if !slices.ContainsFunc(k.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == v.Name }) {
			continue
		}
		if v.ConfigMap != nil {
			add("ConfigMap", v.ConfigMap.Name, "", v.ConfigMap.Optional, true)
		}
		if v.Secret != nil {
			add("Secret", v.Secret.SecretName, "", v.Secret.Optional, true)
		}
		if v.Projected == nil {
			continue
		}
		for _, p := range v.Projected.Sources {
			if p.ConfigMap != nil {
				add("ConfigMap", p.ConfigMap.Name, "", p.ConfigMap.Optional, true)
			}
			if p.Secret != nil {
				add("Secret", p.Secret.Name, "", p.Secret.Optional, true)
			}
		}
	}
	return refs
}

// missingConfig adds what the container refers to and what does not exist.
func (c *podCase) missingConfig(k *container, found *cause) {
	for _, ref := range configRefs(&c.pod.Spec, k.spec) {
		kd := kindsByName[ref.kind]
		if c.q.covered(kd, c.pod.Namespace) && c.q.view.Get(store.Ref{Resource: kd.resource, Namespace: c.pod.Namespace, Name: ref.name}) == nil && !ref.optional {
			found.evidence = append(found.evidence, c.q.absent(kd, c.pod.Namespace, ref.name))
			found.variant = ref.kind + " " + ref.name
		}
	}
}

// configChange is the last recorded change of a ConfigMap or Secret.
type configChange struct {
	ref     configRef
	at      time.Time
	deleted bool
	keys    []Evidence // what changed, one row a key
}

// configChanged returns the last recorded change of what is referred to, nil
// if none was recorded. Values of Secrets are what the recording has: hashes.
func (q *inquiry) configChanged(ref configRef, namespace string) *configChange {
	if ref.kind == "Secret" {
		return changeOf(q, ref, namespace, func(s *corev1.Secret) map[string]string {
			values := map[string]string{}
			for k, v := range s.Data {
				values[k] = string(v)
			}
			return values
		})
	}
	return changeOf(q, ref, namespace, func(c *corev1.ConfigMap) map[string]string { return c.Data })
}

// redacted begins what the recorder writes for a value it does not record: a
// keyed hash that differs where the values differ.
const redacted = "‹r:"

// shown is how a value appears in evidence; that of a Secret only if it is
// redacted.
func (ref configRef) shown(value string) string {
	if ref.kind == "Secret" && value != "" && !strings.HasPrefix(value, redacted) {
		return quantity(len(value), "byte")
	}
	return firstWords(value, 80)
}

func changeOf[T any](q *inquiry, ref configRef, namespace string, data func(*T) map[string]string) *configChange {
	var newer *T
	var newest *Object
	n := 0
	for o, v := range past[T](q, namespace, ref.name) {
		if newer == nil {
			newer, newest = v, o
			if o.Type == watch.Deleted {
				return &configChange{ref: ref, at: o.Time, deleted: true, keys: []Evidence{q.see(v, "", "deleted")}}
			}
			continue
		}
		if o.UID != newest.UID || n == maxHistory {
			return nil
		}
		n++
		if keys := q.changedKeys(ref, newer, data(v), data(newer)); len(keys) > 0 {
			return &configChange{ref: ref, at: newest.Time, keys: keys}
		}
		newer, newest = v, o
	}
	return nil
}

// changedKeys compares the data of two versions.
func (q *inquiry) changedKeys(ref configRef, newer any, from, to map[string]string) []Evidence {
	var keys []string
	for k, v := range to {
		if old, had := from[k]; !had || old != v {
			keys = append(keys, k)
		}
	}
	for k := range from {
		if _, has := to[k]; !has {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var rows []Evidence
	for _, k := range keys {
		e := q.see(newer, "/data/"+k, ref.shown(to[k]))
		e.Old = ref.shown(from[k])
		rows = append(rows, e)
	}
	return rows
}

// what names the change: "ConfigMap web-config key MODE".
func (c *configChange) what() string {
	var keys []string
	for _, e := range c.keys {
		keys = append(keys, strings.TrimPrefix(e.Path, "/data/"))
	}
	switch {
	case c.deleted:
		return fmt.Sprintf("%s %s was deleted", c.ref.kind, c.ref.name)
	case len(keys) == 1:
		return fmt.Sprintf("%s %s key %s changed", c.ref.kind, c.ref.name, keys[0])
	}
	return fmt.Sprintf("%s %s keys %s changed", c.ref.kind, c.ref.name, enumerate(keys, 3))
}
