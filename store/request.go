package store

import "k8s.io/apimachinery/pkg/runtime/schema"

// Requests is the resource under which requests to the API server are recorded,
// if an audit log tells of them. It has one object for each object that they were
// about; its versions are the requests, each right before the version of the
// object that it wrote. No API server has it.
var Requests = schema.GroupVersionResource{Group: "svcspy.dev", Version: "v1", Resource: "requests"}

// RequestName is the name of the object under Requests that has the requests
// about an object of that name. Both have the same namespace.
func RequestName(resource schema.GroupVersionResource, name string) string {
	return resource.GroupResource().String() + "." + name
}

// Request is who asked the API server for what, and what came of it. It is part
// of the JSON of an object under Requests.
type Request struct {
	AuditID      string   `json:"auditID,omitempty"`
	Verb         string   `json:"verb"`
	Subresource  string   `json:"subresource,omitempty"`
	User         string   `json:"user"`
	Impersonated string   `json:"impersonatedUser,omitempty"` // as whom User acted
	Addresses    []string `json:"sourceIPs,omitempty"`
	Agent        string   `json:"userAgent,omitempty"`
	Code         int      `json:"code,omitempty"`
	Reason       string   `json:"reason,omitempty"`
	Message      string   `json:"message,omitempty"`         // of a refusal
	Version      string   `json:"resourceVersion,omitempty"` // of what it wrote; "" if that is not known
	Effect       Effect   `json:"effect,omitempty"`
}

// Effect is what a request did where that is not to write the Version.
type Effect string

// What a request may do beside.
const (
	Unchanged Effect = "unchanged" // nothing: Version was there before
	Removed   Effect = "removed"   // the object is gone since
)
