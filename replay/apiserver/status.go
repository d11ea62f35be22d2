package apiserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// ReasonNotRecorded is the reason of a Status about what the recording never
// had. It is 503 and not 404: whether the cluster had it is not known.
const ReasonNotRecorded metav1.StatusReason = "NotRecorded"

// failure returns an error in the shape of Kubernetes' own.
func failure(code int32, reason metav1.StatusReason, message string) *apierrors.StatusError {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	}}
}

// refused is the answer to whatever is not reading.
func refused(what, path string) error {
	return failure(http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed,
		fmt.Sprintf("this is a recording, it can only be read: %s on %s is not possible", what, path))
}

func notRecorded(res *resource, message string) error {
	err := failure(http.StatusServiceUnavailable, ReasonNotRecorded, message)
	err.ErrStatus.Details = &metav1.StatusDetails{Group: res.gvr.Group, Kind: res.gvr.Resource}
	return err
}

// statusOf returns the Status of any error.
func statusOf(err error) metav1.Status {
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	status := known.Status()
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	return status
}

func writeError(w http.ResponseWriter, err error) {
	status := statusOf(err)
	writeJSON(w, int(status.Code), status)
}

// writeJSON answers with a document. A client that has gone is not told.
func writeJSON(w http.ResponseWriter, code int, document any) {
	body, err := json.Marshal(document)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeBody(w, code, body)
}

func writeBody(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // nobody is left to tell
}

// warn adds Warning headers, which kubectl prints. It must come before the
// body.
func warn(w http.ResponseWriter, texts []string) {
	for _, text := range texts {
		text = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(text, "?"))
		if header, err := utilnet.NewWarningHeader(299, "svcspy", text); err == nil {
			w.Header().Add("Warning", header)
		}
	}
}
