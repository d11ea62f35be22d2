package analyzer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/analyzer/registry"
)

// cause is why units of service are missing: a diagnosis about a subject, with
// what proves it, and what caused it in turn.
type cause struct {
	id      string
	variant string
	subject Subject
	// key tells causes of one id and variant apart: units whose root causes
	// have the same id, variant and key are explained together.
	key string
	// says is the sentence without its full stop; who names the units it is
	// about ("2 Pods of Deployment web"). It reads well for one and for many:
	// could, cannot, did.
	says func(who string) string
	// several is the sentence about causes that differ by their key alone, such as
	// Nodes that fell silent together; nil where each is told of by itself.
	several   func(keys []string, who string) string
	units     int  // how many units a cause of the Service itself explains, if it knows
	grace     bool // nothing is wrong yet: a recent change is still taking effect
	certainty Certainty
	since     time.Time                  // per status, until onset is asked
	onset     func() (time.Time, string) // since when it has held, by recorded history; nil if only the status tells
	evidence  []Evidence
	next      []next
	from      *cause
}

// root is the deepest cause.
func (c *cause) root() *cause {
	for c.from != nil {
		c = c.from
	}
	return c
}

// chain returns the causes from the root to this one.
func (c *cause) chain() []*cause {
	var down []*cause
	for ; c != nil; c = c.from {
		down = append([]*cause{c}, down...)
	}
	return down
}

// because makes a deeper cause of the root, if there is one.
func (c *cause) because(deeper *cause) *cause {
	if deeper != nil && deeper != c {
		c.root().from = deeper
	}
	return c
}

func (c *cause) same(d *cause) bool {
	return c.id == d.id && c.variant == d.variant && c.key == d.key
}

// short names a cause in a few words, for a table.
func (c *cause) short() string {
	if c.grace && c.variant == "" {
		return c.id + " (starting)"
	}
	if c.variant != "" {
		return c.id + " (" + c.variant + ")"
	}
	return c.id
}

// clause is a sentence that stands without naming units.
func clause(format string, args ...any) func(string) string {
	text := fmt.Sprintf(format, args...)
	return func(string) string { return text }
}

// about is a sentence that begins with the units.
func about(format string, args ...any) func(string) string {
	text := fmt.Sprintf(format, args...)
	return func(who string) string { return who + " " + text }
}

// unit is one missing unit of service.
type unit struct {
	kind     unitKind
	count    int
	pod      *corev1.Pod // for podUnit
	workload *workload   // who makes the Pod, or should
	cause    *cause
}

type unitKind int

// What can be missing (diagnoses are attributed to these, not to objects).
const (
	serviceUnit  unitKind = iota // the Service itself is absent or unusable
	podUnit                      // a selected Pod that should serve and does not
	unbornUnit                   // Pods a workload should have and has not
	portUnit                     // a port no address serves though Pods are ready
	nodeUnit                     // nodes whose clients are not served
	externalUnit                 // the way in from outside
)

// next is one thing to do: a command, or advice where no command is.
type next struct {
	command command.Command
	advice  string
}

func (n next) String() string {
	if n.advice != "" {
		return n.advice
	}
	return n.command.String()
}

func commands(list ...command.Command) []next {
	all := make([]next, len(list))
	for i, c := range list {
		all[i].command = c
	}
	return all
}

// printed is what a Finding holds of it.
func printed(list []next) []string {
	var lines []string
	for _, n := range list {
		lines = append(lines, n.String())
	}
	return lines
}

// kubectl is a kubectl command about the Service.
func (s *service) kubectl(verb string) command.Command {
	return command.Kubectl(verb).Add(command.Object("service", s.svc.Namespace, s.svc.Name)...)
}

func describe(kind, namespace, name string) command.Command {
	return command.Kubectl("describe").Add(command.Object(kind, namespace, name)...)
}

func rolloutCommand(verb, namespace, deployment string) command.Command {
	return command.Kubectl("rollout", verb, "-n", namespace, "deployment/"+deployment)
}

// leaseOf shows which instance of a control plane component leads.
func leaseOf(component string) command.Command {
	return command.Kubectl("-n", "kube-system", "get", "lease", component, "-o", "yaml")
}

// logs of a container. The Pod's name takes no kind here, so one that begins
// with a dash is written with its kind, as Object does.
func (c *podCase) logs(k *container) command.Command {
	object := command.Object("pod", c.pod.Namespace, c.pod.Name)
	if object[0] == "pod" {
		object = object[1:]
	}
	return command.Kubectl("logs").Add(object...).Add("-c", k.name())
}

func (w *workload) scaleTo(replicas int) command.Command {
	return command.Kubectl("scale", "-n", w.meta.Namespace, strings.ToLower(w.kind)+"/"+w.meta.Name, fmt.Sprintf("--replicas=%d", replicas))
}

// answer is what was found about a subject, before it is put into words.
type answer struct {
	subject   Subject
	state     State
	intent    string
	classes   []ClassResult
	units     []unit   // missing units of service with their causes
	effects   []*cause // what the causes lead to, from the workload to the Service
	explains  []*cause // changes that came right before, and point at the cause
	symptoms  []*cause // true, and explained by something else
	risks     []*cause
	hints     []*cause
	checklist []Step
	endpoints Endpoints
	steady    time.Time // since when it serves as it does, if it serves
	steadyBut string
	dark      time.Time // since when nothing is served at least, where only objects tell
	young     bool      // the Pods are no older than dark, and the Service is
	undated   bool      // nothing tells since when the answer holds
	doubtful  bool      // packets may disagree with the objects: see doubts
	ok        string    // the sentence when nothing is wrong
	alone     bool      // the subject is the one unit there is: "it" in sentences
	prefix    string    // how a sentence about a fault begins: "Service shop/web is not serving: "
}

// group is the units that one root cause explains.
type group struct {
	root  *cause
	units []unit
	count int
	since time.Time // per status, until onset was asked
	note  string    // on since, once onset was asked
}

// groups puts the units in order: first those that explain most.
func (a *answer) groups() []*group {
	var all []*group
	for _, u := range a.units {
		root := u.cause.root()
		at := slices.IndexFunc(all, func(g *group) bool { return g.root.same(root) })
		if at < 0 {
			at = len(all)
			all = append(all, &group{root: root, since: root.since})
		}
		g := all[at]
		g.units = append(g.units, u)
		g.count += u.count
		if root.since.Before(g.since) && !root.since.IsZero() {
			g.since, g.root = root.since, root
		}
	}
	slices.SortStableFunc(all, compareGroups)
	return all
}

// compareGroups is a total order: faults before what still converges; the
// Service itself before its parts; what explains more units; the lower layer;
// the earlier onset; then by name.
func compareGroups(a, b *group) int {
	return cmp.Or(
		compareBool(a.root.grace, b.root.grace),
		compareBool(a.units[0].kind != serviceUnit, b.units[0].kind != serviceUnit),
		compareBool(a.units[0].kind == externalUnit, b.units[0].kind == externalUnit),
		cmp.Compare(b.count, a.count),
		cmp.Compare(a.root.layer(), b.root.layer()),
		a.since.Compare(b.since),
		cmp.Compare(a.root.id, b.root.id),
		cmp.Compare(a.root.key, b.root.key),
	)
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (c *cause) layer() registry.Layer {
	if d := registry.Known(c.id); d != nil {
		return d.Layer
	}
	return registry.Impact
}

// onset dates a group, once: the earliest of its units, by history where that
// is recorded. Only a few histories are read.
func (g *group) onset() (time.Time, string) {
	if g.note == "" {
		g.date()
	}
	return g.since, strings.TrimPrefix(g.note, exactly)
}

// exactly is the note of a date that is known by history.
const exactly = "exactly"

func (g *group) date() {
	since, note := g.since, "per status"
	for i, u := range g.units {
		root := u.cause.root()
		if root.onset == nil || i == maxRefined {
			break
		}
		t, n := root.onset()
		if n != "" && !root.since.IsZero() && root.since.Before(t) {
			t, n = root.since, "per status"
		}
		if i == 0 || t.Before(since) {
			since, note = t, cmp.Or(n, exactly)
		}
	}
	g.since, g.note = since, note
}

// report puts the answer into words, with what is not known.
func (q *inquiry) report(a *answer) Report {
	r := q.known(a)
	r.Undecided = q.undecided(a)
	return r
}

// known puts into words what is known.
func (q *inquiry) known(a *answer) Report {
	r := Report{
		Subject:  a.subject,
		Verdict:  Verdict{State: a.state, Intent: a.intent, Classes: append([]ClassResult{}, a.classes...), Certainty: Certain},
		Headline: Headline{Subject: a.subject, Message: a.ok},
		Because:  []Finding{}, Also: []Finding{},
		Symptoms:  q.findings(a.symptoms, registry.Info),
		Risks:     q.findings(a.risks, registry.Risk),
		Hints:     q.findings(a.hints, registry.Hint),
		Checklist: append([]Step{}, a.checklist...),
		Endpoints: a.endpoints,
	}
	if a.state == NotSelected || a.state == Serving || slices.ContainsFunc(a.classes, func(c ClassResult) bool { return c.Class != "dns" && c.Result == kube.ResultOK }) {
		r.Unknowable = unknowable
	}
	groups := a.groups()
	switch {
	case a.state == Serving || a.state == NotSelected:
		r.Verdict.Since, r.Verdict.SinceNote = a.steady, a.steadyBut
		for _, g := range groups {
			r.Also = append(r.Also, q.finding(g, registry.Info))
		}
		if a.state == Serving {
			q.promote(&r, a)
		}
	case len(groups) > 0:
		first := q.finding(groups[0], a.severity())
		if text := q.together(groups); text != "" {
			first.Message = text
		}
		if a.alone {
			first.Message = groups[0].root.says("it")
		}
		r.lead(first, a.prefix)
		_, r.Verdict.SinceNote = groups[0].onset()
		switch {
		case a.undated && r.Verdict.Since.Before(q.view.Start()):
			r.Verdict.Since, r.Verdict.SinceNote = time.Time{}, ""
		case !a.undated && !a.dark.IsZero() && (a.young || a.dark.Sub(r.Verdict.Since).Abs() > 2*time.Second): // else both agree
			r.Verdict.Since, r.Verdict.SinceNote = a.dark, orEarlier
		}
		r.Because = append(q.because(a, groups[0], first), q.findings(a.explains, registry.Info)...)
		for _, g := range groups[1:] {
			r.Also = append(r.Also, q.finding(g, a.severity()))
		}
	case len(a.effects) > 0:
		r.Because = q.findings(a.effects, a.severity())
		r.lead(r.Because[0], a.prefix)
	}
	if r.Headline.ID == "recording-gap" {
		r.Headline.Message += "." // it says since when itself
	} else {
		r.Headline.Message = sentenceSince(r.Headline.Message, r.Verdict.Since, q.now)
	}
	switch {
	case a.state == Unknown:
		r.Verdict.Certainty = Possible
	case (q.unsure || a.doubtful) && r.Verdict.Certainty == Certain:
		r.Verdict.Certainty = Likely
	}
	return r
}

// together is the sentence about the first group and those that differ from it by
// their key alone; "" if there are none, or nothing says so.
func (q *inquiry) together(groups []*group) string {
	first := groups[0].root
	if first.several == nil {
		return ""
	}
	all, keys := &group{root: first}, []string{}
	for _, g := range groups {
		if g.root.id == first.id && g.root.variant == first.variant {
			all.units, all.count, keys = append(all.units, g.units...), all.count+g.count, append(keys, g.root.key)
		}
	}
	if len(keys) < 2 {
		return ""
	}
	slices.Sort(keys)
	return first.several(keys, q.who(all))
}

// lead makes a finding the headline.
func (r *Report) lead(f Finding, prefix string) {
	r.Headline = Headline{ID: f.ID, Subject: f.Subject, Units: f.Units, Message: prefix + f.Message}
	r.Verdict.Since, r.Verdict.Certainty = f.Since, f.Certainty
	r.Next = slices.Clone(f.Next)
}

// findings makes one of each cause.
func (q *inquiry) findings(causes []*cause, severity string) []Finding {
	list := []Finding{}
	for _, c := range causes {
		list = append(list, q.effect(c, severity, ""))
	}
	return list
}

// severity of the causes of a state.
func (a *answer) severity() string {
	switch a.state {
	case Absent, NotServing:
		return registry.Outage
	case Converging, Serving:
		return registry.Info
	}
	return registry.Degraded
}

// finding makes one of a group: its root cause with the evidence of its units.
func (q *inquiry) finding(g *group, severity string) Finding {
	f := q.effect(g.root, severity, "")
	f.Units = g.count
	f.Message = g.root.says(q.who(g))
	f.Since, _ = g.onset()
	for _, u := range g.units {
		root := u.cause.root()
		if root == g.root {
			continue
		}
		for _, e := range root.evidence {
			if len(f.Evidence) < maxRows && !slices.Contains(f.Evidence, e) {
				f.Evidence = append(f.Evidence, e)
			}
		}
	}
	return f
}

// effect makes a finding of one cause. It is never more severe than the
// catalogue allows, nor than what still converges.
func (q *inquiry) effect(c *cause, severity, of string) Finding {
	if c.grace && severity != registry.Risk && severity != registry.Hint {
		severity = registry.Info
	}
	if d := registry.Known(c.id); d != nil && registry.SeverityRank(d.Severity) > registry.SeverityRank(severity) {
		severity = d.Severity
	}
	return Finding{
		ID: c.id, Variant: c.variant, Severity: severity, Subject: c.subject, Message: c.says("it"),
		EffectOf: of, Certainty: c.certainty, Since: c.since, Evidence: slices.Clone(c.evidence), Next: printed(c.next),
	}
}

// because is the path from the root cause to what is lost.
func (q *inquiry) because(a *answer, g *group, root Finding) []Finding {
	path := []Finding{root}
	who := q.who(g)
	add := func(c *cause) {
		if c.id == "" { // only waits, for what the root says
			return
		}
		for _, f := range path {
			if f.ID == c.id && f.Variant == c.variant && f.Subject == c.subject {
				return
			}
		}
		f := q.effect(c, a.severity(), path[len(path)-1].ID)
		f.Message = c.says(who)
		path = append(path, f)
	}
	for _, u := range g.units {
		for _, c := range u.cause.chain()[1:] {
			add(c)
		}
	}
	for _, c := range a.effects {
		add(c)
	}
	return path
}

// who names the units of a group: "2 of 3 Pods of Deployment web (rev 2)".
func (q *inquiry) who(g *group) string {
	w := g.units[0].workload
	same := w != nil
	rev, revs := "", true
	for i, u := range g.units {
		same = same && u.workload == w
		r := ""
		if u.pod != nil {
			r = q.revision(u.pod)
		}
		if i > 0 && r != rev {
			revs = false
		}
		rev = r
	}
	pods := phrase.Quantity(g.count, "Pod")
	switch {
	case g.units[0].pod != nil && len(g.units) == 1 && w == nil:
		return "Pod " + g.units[0].pod.Name
	case !same:
		return pods
	}
	total := w.active()
	for _, u := range g.units {
		if u.kind == unbornUnit {
			total = max(w.desired, g.count)
		}
	}
	switch {
	case g.count == total && total == 2:
		pods = "both Pods"
	case g.count == total && total > 1:
		pods = fmt.Sprintf("all %d Pods", total)
	case g.count == total:
		pods = "the only Pod"
	case g.count < total:
		pods = fmt.Sprintf("%d of %s", g.count, phrase.Quantity(total, "Pod"))
	}
	if revs && rev != "" {
		return fmt.Sprintf("%s of %s (rev %s)", pods, w, rev)
	}
	return fmt.Sprintf("%s of %s", pods, w)
}

// unknowable is what no API object can tell, printed where some traffic should flow. Each
// line was met by packets on real nodes (fixtures/nodes) that failed while all objects
// were in good order.
var unknowable = []string{
	"whether the application listens on the port, on all interfaces, and answers well",
	"what died a moment ago: a program for seconds, a node until its Lease misses two renewals",
	"whether cluster DNS answers in time; the client's resolv.conf, search path and caches",
	"firewalls, security groups, MTU, conntrack, routing, and bugs of the CNI plugin",
	"what kube-proxy really programmed, and whether the CNI plugin enforces NetworkPolicies",
	"TLS, SNI and Host headers",
}
