package printer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// What a cell says where there is nothing to say.
const (
	none    = "<none>"
	unset   = "<unset>"
	unknown = "<unknown>"
)

// age is how old something is at a moment, as kubectl writes it.
func age(since metav1.Time, at time.Time) string {
	if since.IsZero() {
		return unknown
	}
	return duration.HumanDuration(at.Sub(since.Time))
}

// or returns the text, or what stands for an empty one.
func or(text, absent string) string {
	if text == "" {
		return absent
	}
	return text
}

// value returns what is pointed at, or what stands for nil.
func value[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}

// few joins the first values with commas and says how many more there are. One
// text may hold no more than the limit of values.
func few(values []string, limit int, separator, absent string) string {
	if len(values) == 0 {
		return absent
	}
	if more := len(values) - limit; more > 0 {
		return fmt.Sprintf("%s + %d more...", strings.Join(values[:limit], separator), more)
	}
	return strings.Join(values, separator)
}

// containers are the names and the images of containers.
func containers(list []corev1.Container) (names, images string) {
	var n, i []string
	for _, c := range list {
		n, i = append(n, c.Name), append(i, c.Image)
	}
	return strings.Join(n, ","), strings.Join(i, ",")
}

// balancer is where a load balancer is reached: addresses, sorted, each once.
// An API server renders Tables for -o wide, so nothing is cut off.
func balancer(addresses []string) string {
	addresses = slices.DeleteFunc(addresses, func(a string) bool { return a == "" })
	slices.Sort(addresses)
	return strings.Join(slices.Compact(addresses), ",")
}

// accessModes abbreviates how a volume may be mounted.
func accessModes(modes []corev1.PersistentVolumeAccessMode) string {
	var short []string
	for _, m := range []struct {
		mode  corev1.PersistentVolumeAccessMode
		short string
	}{
		{corev1.ReadWriteOnce, "RWO"},
		{corev1.ReadOnlyMany, "ROX"},
		{corev1.ReadWriteMany, "RWX"},
		{corev1.ReadWriteOncePod, "RWOP"},
	} {
		if slices.Contains(modes, m.mode) {
			short = append(short, m.short)
		}
	}
	return strings.Join(short, ",")
}
