package cli

import (
	"context"
	"encoding/json"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/svcspy/svcspy/recorder"
)

// access asks an API server what it lets the user do.
type access struct{ rest.Interface }

func NewAccess(config *rest.Config) (access, error) {
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return access{}, err
	}
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion = "/api", &schema.GroupVersion{Version: "v1"}
	config.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion()
	config.QPS = -1 // the server limits by itself
	client, err := rest.RESTClientForConfigAndClient(config, transport)
	return access{client}, err
}

// Forbidden reports whether a collection of core/v1 may not be listed in the
// whole cluster. Other troubles are told by whoever meets them next.
func (a access) Forbidden(ctx context.Context, resource string) bool {
	return apierrors.IsForbidden(a.Get().AbsPath("/api/v1/"+resource).Param("limit", "1").Do(ctx).Error())
}

// Refusal asks whether the targets may be listed and watched, and returns why
// one may not; "" if it may. The question is answered by the server's authorizer
// and leaves nothing behind.
func (a access) Refusal(ctx context.Context, target recorder.Target) (string, error) {
	for _, verb := range []string{"list", "watch"} {
		allowed, err := a.may(ctx, verb, target, "")
		if err != nil {
			return "", err
		}
		if !allowed {
			return "may not be " + map[string]string{"list": "listed", "watch": "watched"}[verb], nil
		}
	}
	return "", nil
}

// LogRefusal asks whether the logs of the Pods of a target may be read, and returns
// why not; "" if they may.
func (a access) LogRefusal(ctx context.Context, pods recorder.Target) (string, error) {
	allowed, err := a.may(ctx, "get", pods, "log")
	if err != nil || allowed {
		return "", err
	}
	return "may not be read", nil
}

// may asks whether the user has a right.
func (a access) may(ctx context.Context, verb string, target recorder.Target, subresource string) (bool, error) {
	review := authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: target.Namespace, Verb: verb, Group: target.Resource.Group, Version: target.Resource.Version,
			Resource: target.Resource.Resource, Subresource: subresource,
		},
	}}
	review.Kind, review.APIVersion = "SelfSubjectAccessReview", "authorization.k8s.io/v1"
	body, err := json.Marshal(review)
	if err != nil {
		return false, err
	}
	answer, err := a.Post().AbsPath("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").
		SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").Body(body).Do(ctx).Raw()
	if err == nil {
		err = json.Unmarshal(answer, &review)
	}
	if err != nil {
		return false, fmt.Errorf("ask for the right to %s %s: %w", verb, target, err)
	}
	return review.Status.Allowed, nil
}
