package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// evaluate lets a real shell read a line in which kubectl and grep print their
// arguments, and returns them.
func evaluate(line string) (arguments []string, err error) {
	sh := exec.Command("sh", "-c", `kubectl() { printf '%s\0' "$@"; }
grep() { cat; printf '%s\0' "$@"; }
`+line)
	sh.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}
	out, err := sh.Output()
	if err != nil {
		return nil, fmt.Errorf("sh: %w", err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
}

func TestString(t *testing.T) {
	for want, c := range map[string]Command{
		"": {},
		"kubectl get pods -n shop -l app=web,tier=a -o wide":            Kubectl("get", "pods", "-n", "shop", "-l", "app=web,tier=a", "-o", "wide"),
		"kubectl get services -A | grep web":                            Kubectl("get", "services", "-A").Pipe("grep", "web"),
		`kubectl patch service -n shop web -p '{"a":"it'\''s"}'`:        Kubectl("patch").Add(Object("service", "shop", "web")...).Add("-p", `{"a":"it's"}`),
		"kubectl get service web -o jsonpath='{.spec.ports}'":           Kubectl("get", "service", "web", "-o", "jsonpath={.spec.ports}"),
		"kubectl describe service -n shop 'web$(touch x)'":              Kubectl(append([]string{"describe"}, Object("service", "shop", "web$(touch x)")...)...),
		"kubectl describe -n shop pod/-ojson":                           Kubectl("describe").Add(Object("pod", "shop", "-ojson")...),
		"kubectl get events --field-selector involvedObject.name='a b'": Kubectl("get", "events", "--field-selector", "involvedObject.name=a b"),
		"svcspy mark FILE '' '#1' '~' '=ls' '*' 'a\nb'":                 New("svcspy", "mark", "FILE", "", "#1", "~", "=ls", "*", "a\nb"),
		"'A=$(x)' kubectl":                                                    New("A=$(x)", "kubectl"),
		"kubectl get pods -l app='$(x)'":                                      Kubectl("get", "pods", "-l", "app=$(x)"),
		"kubectl scale -n shop deployments/web --replicas=3":                  Kubectl("scale", "-n", "shop", "deployments/web", "--replicas=3"),
		"kubectl -n kube-system get lease kube-scheduler -o yaml":             Kubectl("-n", "kube-system", "get", "lease", "kube-scheduler", "-o", "yaml"),
		"kubectl get pods -A -o wide --field-selector spec.nodeName=n1":       Kubectl("get", "pods", "-A", "-o", "wide", "--field-selector", "spec.nodeName=n1"),
		"kubectl get endpointslices -l kubernetes.io/service-name='web`id`;'": Kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=web`id`;"),
	} {
		if diff := cmp.Diff(want, c.String()); diff != "" {
			t.Error(diff)
		}
	}
}

// A shell that reads the line gives the program exactly its arguments, and runs
// nothing else.
func TestShellReadsTheArguments(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh here")
	}
	pieces := []string{"web", "$(touch ", "`", "'", `"`, `\`, "\n", "\t", " ", ";", "&", "|", ">", "<", "*", "?", "[a]", "{a,b}", "~", "#", "!", "$", "${HOME}", "=", "-", "--", "%", "é", "\x1b[31m", "\xff", "app=", "x)", "(", "^", "\r"}
	folder := t.TempDir()
	touched := filepath.Join(folder, "touched")
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(append(pieces, "$(touch "+touched+")")), 0, 6).Draw(t, "pieces"), "")
		})
		args := rapid.SliceOfN(word, 1, 4).Draw(t, "arguments")
		found := rapid.SliceOfN(word, 1, 2).Draw(t, "pattern")
		got, err := evaluate(Kubectl(args...).Pipe(append([]string{"grep"}, found...)...).String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append(args, found...), got); diff != "" {
			t.Fatal(diff)
		}
		if _, err := os.Stat(touched); err == nil {
			t.Fatal("a word was run as a command")
		}
	})
}

func ExampleCommand() {
	fmt.Println(Kubectl("describe").Add(Object("service", "shop", "web$(touch x)")...))
	// Output: kubectl describe service -n shop 'web$(touch x)'
}
