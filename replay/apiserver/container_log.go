package apiserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// log answers `kubectl logs` with the lines that were recorded when a container
// failed (record --logs-of-failed). What else it said is not known: that is an error,
// not an empty log.
func (s *Server) log(w http.ResponseWriter, r *http.Request, st *stage, res *resource, q query) error {
	at := st.moment()
	pod, err := s.object(res, q, at.seq)
	if err != nil {
		return err
	}
	if pod == nil {
		return apierrors.NewNotFound(res.gvr.GroupResource(), q.name)
	}
	parameters := r.URL.Query()
	var found []kinds.ContainerLog
	seqs, err := s.timeline.Find(store.Query{Resource: kinds.ContainerLogs, Namespace: q.namespace, Owner: pod.UID}, at.seq)
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		e, err := s.timeline.Event(seq)
		if err != nil {
			return err
		}
		var log kinds.ContainerLog
		if json.Unmarshal(e.Object, &log) != nil {
			continue
		}
		if name := parameters.Get("container"); name == "" || name == log.Container {
			found = append(found, log)
		}
	}
	switch {
	case len(found) == 0:
		return notRecorded(res, fmt.Sprintf("no log of Pod %q was recorded: record --logs-of-failed keeps the last lines of containers that fail", q.name))
	case len(found) > 1:
		return apierrors.NewBadRequest(fmt.Sprintf("a container name must be specified for pod %s", q.name))
	case found[0].Error != "":
		return notRecorded(res, fmt.Sprintf("the log of container %s of Pod %q could not be read: %s", found[0].Container, q.name, found[0].Error))
	}
	lines := found[0].Lines
	if n, err := strconv.Atoi(parameters.Get("tailLines")); err == nil && n >= 0 && n < len(lines) {
		lines = lines[len(lines)-n:]
	}
	if found[0].Cut {
		w.Header().Add("Warning", fmt.Sprintf(`299 - "the last %d lines of container %s were recorded when it failed"`, len(found[0].Lines), found[0].Container))
	}
	w.Header().Set("Content-Type", "text/plain")
	for _, line := range lines {
		if timestamps, _ := strconv.ParseBool(parameters.Get("timestamps")); !timestamps {
			if _, words, is := strings.Cut(line, " "); is {
				line = words
			}
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return nil // the client is gone
		}
	}
	return nil
}
