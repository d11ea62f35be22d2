package postmortem

import "testing"

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{"": "", "web": "Web", "über": "Über", "\xffx": "\xffx", "日本": "日本", "A": "A"} {
		if got := sentence(text); got != want {
			t.Errorf("sentence(%q) = %q, want %q", text, got, want)
		}
	}
}
