package kinds

import "time"

// ContainerLogs is the one resource that no cluster has: a recorder that was asked
// to (record --logs-of-failed) keeps in it the last lines of containers that fail.
var ContainerLogs = gvr("svcspy.dev", "v1", "containerlogs")

// ContainerLog is an object of ContainerLogs: what one container of a Pod said last,
// as JSON. It is named POD.CONTAINER, lies in the Pod's namespace, is owned by the
// Pod, and is written anew each time that the container fails.
type ContainerLog struct {
	APIVersion string      `json:"apiVersion"` // svcspy.dev/v1
	Kind       string      `json:"kind"`       // ContainerLog
	Metadata   LogMetadata `json:"metadata"`
	Container  string      `json:"container"`
	Restarts   int         `json:"restarts"`           // of the container, when it failed
	Reason     string      `json:"reason"`             // why its log was read: Failed or NotReady
	ExitCode   *int        `json:"exitCode,omitempty"` // where it ended
	Ended      string      `json:"ended,omitempty"`    // as the kubelet calls that end: Error, OOMKilled, Completed
	FinishedAt time.Time   `json:"finishedAt,omitzero"`
	// Lines are the last ones, oldest first, redacted, each behind the time at which
	// the container runtime took it (RFC 3339).
	Lines []string `json:"lines"`
	// Cut says that there are lines before them.
	Cut bool `json:"cut,omitempty"`
	// Error says why there are no lines.
	Error string `json:"error,omitempty"`
}

// LogMetadata is the metadata of a ContainerLog.
type LogMetadata struct {
	Name              string     `json:"name"`
	Namespace         string     `json:"namespace"`
	UID               string     `json:"uid"`
	ResourceVersion   string     `json:"resourceVersion"`   // of the Pod that told of the failure
	CreationTimestamp time.Time  `json:"creationTimestamp"` // when the log was read, whole seconds
	OwnerReferences   []LogOwner `json:"ownerReferences"`
}

// LogOwner is the Pod of a ContainerLog.
type LogOwner struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
}

// The reasons of a ContainerLog.
const (
	LogOfFailed   = "Failed"   // the container ended with an error, or was restarted
	LogOfNotReady = "NotReady" // it runs, and its probes do not succeed any more
)
