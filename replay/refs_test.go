package replay

import "testing"

func TestCompareNames(t *testing.T) {
	for _, pair := range [][2]string{{"svc-2", "svc-10"}, {"a", "b"}, {"a1b2", "a1b10"}, {"svc", "svc-1"}, {"a01", "a2"}} {
		if CompareNames(pair[0], pair[1]) >= 0 || CompareNames(pair[1], pair[0]) <= 0 || CompareNames(pair[0], pair[0]) != 0 {
			t.Errorf("%q does not stand before %q", pair[0], pair[1])
		}
	}
}
