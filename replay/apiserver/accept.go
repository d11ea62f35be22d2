package apiserver

import (
	"mime"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// form is how a client wants objects: as they are, as rows of a Table, or only
// their metadata.
type form struct {
	as      string // "", "Table", "PartialObjectMetadata" or "PartialObjectMetadataList"
	version string // of meta.k8s.io: v1 or v1beta1
}

const (
	asTable       = "Table"
	asPartial     = "PartialObjectMetadata"
	asPartialList = "PartialObjectMetadataList"
)

// negotiate returns the first form that the client accepts and we have.
func negotiate(r *http.Request) (form, error) {
	for _, params := range accepted(r) {
		f := form{params["as"], params["v"]}
		if f.as == "" {
			return form{}, nil
		}
		known := f.as == asTable || f.as == asPartial || f.as == asPartialList
		if known && params["g"] == "meta.k8s.io" && (f.version == "v1" || f.version == "v1beta1") {
			return f, nil
		}
	}
	return form{}, failure(http.StatusNotAcceptable, metav1.StatusReasonNotAcceptable,
		"only the following media types are accepted: application/json, also as Table, PartialObjectMetadata and PartialObjectMetadataList of meta.k8s.io/v1")
}

// wantsAggregated reports whether the client asks for aggregated discovery.
func wantsAggregated(r *http.Request) bool {
	for _, params := range accepted(r) {
		switch {
		case params["as"] == "APIGroupDiscoveryList" && params["g"] == "apidiscovery.k8s.io" && params["v"] == "v2":
			return true
		case params["as"] == "":
			return false
		}
	}
	return false
}

// accepted returns the parameters of each kind of JSON the client accepts, in
// its order; no header means any.
func accepted(r *http.Request) []map[string]string {
	header := strings.Join(r.Header.Values("Accept"), ",")
	if header == "" {
		return []map[string]string{{}}
	}
	var all []map[string]string
	for media := range strings.SplitSeq(header, ",") {
		kind, params, err := mime.ParseMediaType(media)
		if err != nil {
			continue
		}
		switch kind {
		case "application/json", "application/*", "*/*":
			all = append(all, params)
		}
	}
	return all
}
