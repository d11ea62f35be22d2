package analyzer

import (
	"fmt"
	"slices"
)

// symptomIDs are the diagnoses that can explain what a client sees although
// every API object says that traffic should flow, the likeliest first.
var symptomIDs = map[string][]string{
	"timeout":  {"netpol-denies-ingress", "netpol-wrong-port", "netpol-client-egress", "lb-source-ranges", "kube-proxy-missing", "svc-not-proxied", "etp-local-gaps", "topology-concentration"},
	"refused":  {"readiness-not-covering-port", "target-port-undeclared", "publish-not-ready", "headless-port-mapping-ignored", "svc-recreated", "kube-proxy-missing"},
	"nxdomain": {"cluster-dns-down", "netpol-client-egress", "governing-service-mismatch", "externalname-misfit"},
}

// promote makes a hint the headline: the objects show nothing wrong, and the
// user says that traffic fails. It stays possible, not more.
func (q *inquiry) promote(r *Report, a *answer) {
	for _, id := range symptomIDs[q.options.Symptom] {
		for _, c := range slices.Concat(a.hints, a.risks) {
			if c.id != id || c.variant == "restricts" && q.options.From == "" {
				continue
			}
			f := q.effect(c, hint, "")
			f.Certainty = Possible
			r.Because = append(r.Because, f)
			r.lead(f, fmt.Sprintf("%s, yet a client sees %s: possibly ", a.ok, seen[q.options.Symptom]))
			return
		}
	}
}

// seen is what each symptom is called in a sentence.
var seen = map[string]string{"timeout": "timeouts", "refused": "refused connections", "nxdomain": "no such name"}
