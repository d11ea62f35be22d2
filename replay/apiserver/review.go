package apiserver

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// reviews are the questions a client asks about itself by creating an object.
// Nothing is stored, so a recording can answer them.
var reviews = map[schema.GroupResource]string{
	{Group: "authentication.k8s.io", Resource: "selfsubjectreviews"}:      "SelfSubjectReview",
	{Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}: "SelfSubjectAccessReview",
	{Group: "authorization.k8s.io", Resource: "selfsubjectrulesreviews"}:  "SelfSubjectRulesReview",
}

// reviewKind returns the kind of review a path is for, "" if it is for none.
func reviewKind(path string) string {
	q, ok := parsePath(path)
	if !ok || q.gvr.Version != "v1" || q.namespace != "" || q.name != "" {
		return ""
	}
	return reviews[q.gvr.GroupResource()]
}

// user is who every client is: whoever has the token.
const user = "svcspy"

// review answers what the client may do: read everything, write nothing.
func (s *Server) review(w http.ResponseWriter, r *http.Request, kind string) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return apierrors.NewRequestEntityTooLargeError(err.Error())
	}
	var answer any
	switch kind {
	case "SelfSubjectReview":
		review := &authenticationv1.SelfSubjectReview{}
		review.Status.UserInfo = authenticationv1.UserInfo{Username: user, Groups: []string{"system:authenticated"}}
		review.TypeMeta = metav1.TypeMeta{Kind: kind, APIVersion: authenticationv1.SchemeGroupVersion.String()}
		answer = review
	case "SelfSubjectAccessReview":
		review := &authorizationv1.SelfSubjectAccessReview{}
		if err := decode(body, review); err != nil {
			return err
		}
		review.Status = access(review.Spec)
		review.TypeMeta = metav1.TypeMeta{Kind: kind, APIVersion: authorizationv1.SchemeGroupVersion.String()}
		answer = review
	default:
		review := &authorizationv1.SelfSubjectRulesReview{}
		if err := decode(body, review); err != nil {
			return err
		}
		review.Status = authorizationv1.SubjectRulesReviewStatus{
			ResourceRules:    []authorizationv1.ResourceRule{{Verbs: reading, APIGroups: []string{"*"}, Resources: []string{"*"}}},
			NonResourceRules: []authorizationv1.NonResourceRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"*"}}},
		}
		review.TypeMeta = metav1.TypeMeta{Kind: kind, APIVersion: authorizationv1.SchemeGroupVersion.String()}
		answer = review
	}
	writeJSON(w, http.StatusCreated, answer)
	return nil
}

// decode reads a body that is written in any of Kubernetes' encodings: kubectl
// sends protobuf.
func decode(body []byte, into runtime.Object) error {
	if _, _, err := encodings().UniversalDeserializer().Decode(body, nil, into); err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("read review: %v", err))
	}
	return nil
}

var encodings = sync.OnceValue(func() serializer.CodecFactory { return serializer.NewCodecFactory(known()) })

func access(asked authorizationv1.SelfSubjectAccessReviewSpec) authorizationv1.SubjectAccessReviewStatus {
	verb, sub := "", ""
	switch {
	case asked.ResourceAttributes != nil:
		verb, sub = asked.ResourceAttributes.Verb, asked.ResourceAttributes.Subresource
	case asked.NonResourceAttributes != nil:
		verb = asked.NonResourceAttributes.Verb
	}
	if slices.Contains(reading, verb) && (sub == "" || sub == "status" || sub == "log" && verb == "get") {
		return authorizationv1.SubjectAccessReviewStatus{Allowed: true, Reason: "recordings can be read"}
	}
	return authorizationv1.SubjectAccessReviewStatus{Denied: true, Reason: "recordings can only be read"}
}
