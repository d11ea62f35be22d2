// Package analyzer says why a Service, a workload or a Pod gets traffic or gets
// none, at one instant of a cluster: one headline, what proves it, what it leads
// to, and what could not be decided.
//
//	report := analyzer.Diagnose(view, subject, analyzer.Options{})
//
// Diagnose is a pure function of a [View]. It has no clock but the View's
// instant, never looks past it, changes no object, and gives the same bytes for
// the same View, live or years later.
//
// # How an answer is found
//
// The reference functions ([FindPort], [Expected], [Backends], [Route]) are the
// rules of the control plane and of kube-proxy, written anew and held to the
// originals by an oracle in a module of its own. With them a Service is looked
// at from two ends:
//
//   - From the client: what kube-proxy makes of each port, family and node, and
//     what DNS answers. That gives the traffic classes, and with them the state.
//   - From the Pods: each missing unit of service (a Pod that should serve, a
//     Pod that does not exist, a way in from outside, the Service itself) goes
//     down a ladder of rungs, each of which knows one diagnosis. The first that
//     fits is its cause; a cause may be the effect of a deeper one (a Pod marked
//     unready, because its Node fell silent).
//
// Units with the same deepest cause are one group; the group that comes first
// in a total order is the headline, its path to what is lost is "because", and
// the other groups are "also". What explains nothing stands apart: symptoms,
// risks and hints. DIAGNOSES.md lists every id.
//
// # What is certain
//
// Absence proves something only where the recorder was listening. All look-ups
// go through one inquiry, which remembers what was looked at and not covered;
// an answer is called certain only if there was no such thing. A missing
// Kubernetes Event never proves anything.
//
// Comments name the sources of rules: K/ is the module k8s.io/kubernetes, S/
// stands for its staging modules, k8s.io/...
package analyzer
