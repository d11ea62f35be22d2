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
		review := authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: target.Namespace, Verb: verb, Group: target.Resource.Group, Version: target.Resource.Version, Resource: target.Resource.Resource,
			},
		}}
		review.Kind, review.APIVersion = "SelfSubjectAccessReview", "authorization.k8s.io/v1"
		body, err := json.Marshal(review)
		if err != nil {
			return "", err
		}
		answer, err := a.Post().AbsPath("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").
			SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").Body(body).Do(ctx).Raw()
		if err == nil {
			err = json.Unmarshal(answer, &review)
		}
		if err != nil {
			return "", fmt.Errorf("ask for the right to %s %s: %w", verb, target, err)
		}
		if !review.Status.Allowed {
			return "may not be " + map[string]string{"list": "listed", "watch": "watched"}[verb], nil
		}
	}
	return "", nil
}
