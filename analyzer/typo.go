package analyzer

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/store"
)

// candidate is something the selector misses by one pair.
type candidate struct {
	object     any
	name       string // Pod web-1, Deployment web
	want, have string // key=value
	matched    int    // pairs that do match
	ready      int    // ready Pods it would add
}

// typo: the selector is one pair away from something that exists.
func (s *service) typo() *cause {
	selector := s.svc.Spec.Selector
	near := func(labels map[string]string) bool { _, _, ok := oddPair(selector, labels); return ok }
	byPair := map[string]*candidate{}
	add := func(object any, name string, labels map[string]string, ready int) {
		want, have, ok := oddPair(selector, labels)
		if !ok {
			return
		}
		key := want + " " + have
		c := byPair[key]
		if c == nil {
			c = &candidate{object: object, name: name, want: want, have: have, matched: len(selector) - 1}
			byPair[key] = c
		}
		c.ready += ready
	}
	k := kindOf[corev1.Pod]()
	s.q.covered(k, s.svc.Namespace)
	for _, o := range s.q.view.List(store.Query{Resource: k.resource, Namespace: s.svc.Namespace}) {
		if labels, ok := o.labels(); ok && !near(labels) {
			continue // most of the namespace: not worth decoding
		}
		p := decode[corev1.Pod](s.q, k, o)
		if p == nil || terminal(p) || terminating(p) {
			continue
		}
		n := 0
		if ready(p) {
			n = 1
		}
		add(p, "Pod "+p.Name, p.Labels, n)
	}
	for _, w := range s.q.templates(s.svc.Namespace, nil, near) {
		add(w.object, w.String(), w.template.Labels, 0)
	}
	var all []*candidate
	for _, c := range byPair {
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(b.ready, a.ready), cmp.Compare(a.have, b.have), cmp.Compare(a.want, b.want))
	})
	best := all[0]
	has := best.name + " has"
	if best.ready > 0 {
		has = quantity(best.ready, "ready Pod") + " have"
		if best.ready == 1 {
			has = "the ready " + best.name + " has"
		}
	}
	c := s.cause("selector-typo", clause("its selector says %s, but %s %s", best.want, has, best.have),
		s.q.see(s.svc, "/spec/selector", pairs(selector)))
	c.certainty, c.units = Likely, best.ready
	if len(all) > 1 && all[1].ready == best.ready {
		c.says = clause("its selector says %s, and nothing has that; near are %s and %s", best.want, best.have, all[1].have)
		c.certainty = Possible
	}
	for _, found := range all[:min(len(all), 3)] {
		e := s.q.see(found.object, "/metadata/labels", found.have)
		e.Note = "selector says " + found.want
		c.evidence = append(c.evidence, e)
	}
	s.selectorSince(c)
	key, value, _ := strings.Cut(best.have, "=")
	to := map[string]string{}
	for k, v := range selector {
		if k+"="+v != best.want {
			to[k] = v
		}
	}
	to[key] = value
	c.next = commands(s.kubectl("patch").Add("-p", selectorPatch(selector, to)))
	return c
}

// keyVariants are label keys that people take for one another.
var keyVariants = [][]string{{"app", "app.kubernetes.io/name", "run", "k8s-app", "app.kubernetes.io/instance"}}

// oddPair finds the one pair in which labels differ from the selector, if it
// looks like a slip: the same key with another value, or another usual key with
// the same value. A selector of one pair must be close, not only of one key.
func oddPair(selector, labels map[string]string) (want, have string, ok bool) {
	key, odd := "", 0
	for k, v := range selector {
		if l, has := labels[k]; !has || l != v {
			key = k
			odd++
		}
	}
	if odd != 1 {
		return "", "", false
	}
	value := selector[key]
	if l, has := labels[key]; has {
		if len(selector) > 1 || Distance(l, value) <= 2 {
			return key + "=" + value, key + "=" + l, true
		}
		return "", "", false
	}
	keys := make([]string, 0, len(labels))
	for k := range labels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		l := labels[k]
		variant := slices.ContainsFunc(keyVariants, func(set []string) bool { return slices.Contains(set, k) && slices.Contains(set, key) })
		switch {
		case l == value && (variant || len(selector) == 1 || Distance(k, key) <= 2),
			Distance(k, key) <= 2 && Distance(l, value) <= 2 && len(key) > 4:
			return key + "=" + value, k + "=" + l, true
		}
	}
	return "", "", false
}

// Distance is the Levenshtein distance of two words, counted in bytes; labels
// are ASCII.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
