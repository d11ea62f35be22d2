package phrase

import "testing"

func TestQuantity(t *testing.T) {
	for _, c := range []struct {
		n    int
		noun string
		want string
	}{
		{1, "Pod", "1 Pod"},
		{2, "Pod", "2 Pods"},
		{0, "entry", "0 entries"},
		{2, "address", "2 addresses"},
	} {
		if got := Quantity(c.n, c.noun); got != c.want {
			t.Errorf("%d %s: %q, want %q", c.n, c.noun, got, c.want)
		}
	}
	for n, want := range map[int]string{2: "both endpoints", 3: "all 3 endpoints"} {
		if got := AllOf(n, "endpoint"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
