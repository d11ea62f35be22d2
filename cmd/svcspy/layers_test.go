package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/svcspy/svcspy"

// layers says for each package what it may import of ours and which outside
// packages are closed to it. What stands lower never imports what stands
// higher, so the picture in CONTRIBUTING stays true.
var layers = map[string]struct {
	ours   []string
	closed []string
}{
	"recorder/importer":          {[]string{"store", "store/rawjson", "recorder/redact"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra", "k8s.io/client-go"}},
	"recorder/importer/audit":    {[]string{"store/rawjson", "recorder/importer"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra", "k8s.io/client-go"}},
	"recorder/importer/etcd":     {[]string{"store/boltfile", "store/kinds", "recorder/importer"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"recorder/importer/kwok":     {[]string{"store/kinds", "recorder/importer", "recorder/importer/etcd"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra", "k8s.io/client-go"}},
	"recorder/importer/velero":   {[]string{"store/kinds", "recorder/importer"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra", "k8s.io/client-go"}},
	"recorder/importer/snapshot": {[]string{"recorder/importer"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra", "k8s.io/client-go"}},

	"store/bucket":         {nil, []string{"k8s.io/", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"store/kinds":          {nil, []string{"k8s.io/client-go", "k8s.io/api/", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"store/event":          {nil, []string{"k8s.io/client-go", "k8s.io/api/", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"store/encoding":       {[]string{"store/event"}, []string{"k8s.io/client-go", "k8s.io/api/", "github.com/spf13/cobra"}},
	"store/boltfile":       {[]string{"store/event", "store/encoding"}, []string{"k8s.io/client-go", "k8s.io/api/", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"store/block":          {[]string{"store/event", "store/encoding", "store/rawjson"}, []string{"k8s.io/client-go", "k8s.io/api/", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"store/index":          {[]string{"store/event", "store/encoding", "store/boltfile", "store/block", "store/rawjson"}, []string{"k8s.io/client-go", "k8s.io/api/", "github.com/spf13/cobra"}},
	"store":                {[]string{"store/event", "store/encoding", "store/boltfile", "store/block", "store/index", "store/rawjson"}, []string{"k8s.io/client-go", "k8s.io/api/", "github.com/spf13/cobra"}},
	"recorder":             {[]string{"store/kinds", "store", "store/rawjson", "recorder/redact"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"recorder/flight":      {[]string{"store", "recorder", "analyzer", "replay", "replay/expect", "replay/when"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"recorder/alert":       {nil, []string{"k8s.io/", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"recorder/segment":     {[]string{"store", "store/bucket", "recorder/alert", "analyzer", "replay/verdict"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra", "k8s.io/client-go"}},
	"recorder/agent":       {[]string{"store", "store/bucket", "recorder", "recorder/alert", "recorder/flight", "recorder/segment", "analyzer", "replay", "replay/verdict", "replay/when"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"recorder/svcspytest":  {[]string{"store", "recorder", "recorder/redact", "replay", "replay/expect", "replay/verdict", "replay/when"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"recorder/redact":      {[]string{"store", "store/kinds", "store/rawjson"}, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra", "k8s.io/client-go"}},
	"recorder/redact/scan": {nil, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra", "k8s.io/client-go"}},
	"store/rawjson":        {nil, []string{"go.etcd.io/bbolt", "github.com/spf13/cobra", "k8s.io/client-go"}},
	"analyzer/command":     {nil, []string{"k8s.io/", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"analyzer/kube":        {nil, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"analyzer/object":      {[]string{"store", "store/rawjson", "analyzer/kube"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"analyzer/registry":    {nil, []string{"k8s.io/", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"analyzer/phrase":      {[]string{"analyzer/kube"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"analyzer":             {[]string{"store/kinds", "store", "analyzer/command", "analyzer/registry", "analyzer/kube", "analyzer/object", "analyzer/phrase"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay":               {[]string{"store/kinds", "store", "analyzer"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/change":        {[]string{"store", "analyzer", "analyzer/command", "replay"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/verdict":       {[]string{"store", "analyzer", "analyzer/phrase", "replay"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/table":         {[]string{"store", "replay/change", "replay/verdict"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/when":          {[]string{"store", "replay", "replay/verdict"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/cause":         {[]string{"store", "store/kinds", "analyzer", "analyzer/registry", "analyzer/kube", "replay", "replay/change", "replay/verdict"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/past":          {[]string{"store", "analyzer", "replay", "replay/change", "replay/verdict", "replay/cause", "replay/when"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/story":         {[]string{"store", "analyzer", "analyzer/registry", "analyzer/kube", "analyzer/phrase", "replay", "replay/change", "replay/verdict", "replay/cause", "replay/past", "replay/when"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/replaytest":    {[]string{"store", "fixtures/late"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/report":        {[]string{"store", "store/kinds", "analyzer", "analyzer/phrase", "analyzer/registry", "analyzer/command", "replay", "replay/change", "replay/verdict", "replay/cause", "replay/past", "replay/story", "replay/when"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/lane":          {[]string{"store", "analyzer", "replay"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/web":           {[]string{"store", "analyzer", "replay", "replay/change", "replay/verdict", "replay/cause", "replay/story", "replay/lane", "replay/postmortem", "replay/report"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/postmortem":    {[]string{"replay/lane", "store", "analyzer", "analyzer/phrase", "analyzer/command", "replay", "replay/change", "replay/verdict", "replay/cause", "replay/past", "replay/story", "replay/when", "replay/report"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	// Of client-go it takes util/jsonpath, as the API server does for columns; the rest talks to clusters.
	"replay/apiserver/printer": {[]string{"store", "store/rawjson"}, []string{"k8s.io/client-go/kubernetes", "k8s.io/client-go/dynamic", "k8s.io/client-go/discovery", "k8s.io/client-go/rest", "k8s.io/client-go/tools", "k8s.io/client-go/transport", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/apiserver":         {[]string{"store", "store/kinds", "store/rawjson", "replay", "replay/apiserver/printer"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/expect":            {[]string{"store", "analyzer", "analyzer/registry", "replay", "replay/verdict", "replay/when"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/mcp":               {[]string{"store", "analyzer/command", "replay/postmortem", "replay/when"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/tui/moment":        {[]string{"store", "analyzer", "replay", "replay/change", "replay/report"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"replay/tui":               {[]string{"store", "analyzer", "analyzer/command", "replay", "replay/lane", "replay/tui/moment", "replay/change", "replay/verdict", "replay/cause", "replay/past", "replay/story", "replay/when", "replay/report", "replay/postmortem"}, []string{"k8s.io/client-go", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"fixtures/hostile":         {[]string{"store"}, []string{"k8s.io/client-go", "k8s.io/api/"}},
	"fixtures/hostile/forge":   {nil, []string{"k8s.io/"}},
	"fixtures/late":            {[]string{"store"}, []string{"k8s.io/client-go", "k8s.io/api/"}},
	"fixtures/canary":          {nil, []string{"k8s.io/client-go", "k8s.io/api/"}},
	"fixtures/again":           {nil, []string{"k8s.io/"}},
	"fixtures/corpus":          {[]string{"store/kinds", "store/rawjson"}, []string{"k8s.io/client-go", "k8s.io/api/"}},
	"fixtures":                 {[]string{"fixtures/incidents"}, []string{"k8s.io/"}},
	"fixtures/incidents":       {nil, []string{"k8s.io/"}},
	"cmd/svcspy/process":       {nil, []string{"k8s.io/", "go.etcd.io/bbolt", "github.com/spf13/cobra"}},
	"cmd/svcspy/cli":           {[]string{"cmd/svcspy/process", "store", "store/bucket", "recorder", "recorder/flight", "analyzer", "analyzer/command", "replay", "replay/expect", "replay/past", "replay/report", "replay/story", "replay/tui", "replay/verdict", "replay/when"}, nil},
	"cmd/svcspy/record":        {[]string{"cmd/svcspy/cli", "cmd/svcspy/process", "store", "store/bucket", "store/rawjson", "recorder", "recorder/agent", "recorder/flight", "recorder/redact", "recorder/segment", "analyzer", "analyzer/registry", "replay/expect", "replay/report", "replay/when"}, nil},
	"cmd/svcspy/kubectl":       {[]string{"analyzer/command", "cmd/svcspy/cli", "replay", "replay/apiserver", "replay/mcp", "replay/past", "replay/report", "replay/when", "store"}, nil},
	"cmd/svcspy/files":         {[]string{"analyzer", "cmd/svcspy/cli", "cmd/svcspy/process", "recorder/flight", "recorder/redact", "recorder/redact/scan", "recorder/alert", "recorder/segment", "store/bucket", "replay/verdict", "replay", "replay/postmortem", "replay/report", "replay/story", "replay/table", "replay/web", "replay/when", "store"}, nil},
	"cmd/svcspy":               {[]string{"analyzer", "analyzer/command", "cmd/svcspy/cli", "cmd/svcspy/files", "cmd/svcspy/kubectl", "cmd/svcspy/process", "cmd/svcspy/record", "fixtures", "recorder", "recorder/flight", "recorder/importer", "recorder/importer/audit", "recorder/importer/etcd", "recorder/importer/kwok", "recorder/importer/snapshot", "recorder/importer/velero", "recorder/redact", "replay", "replay/change", "replay/expect", "replay/report", "replay/story", "replay/tui", "replay/verdict", "replay/when", "store"}, nil},
}

type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", module+"/...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// TestLayers keeps the import rules.
func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		rule, ok := layers[name]
		if !ok {
			if len(p.GoFiles) > 0 {
				t.Errorf("package %s has no place in the layers: add it to the table with what it may import", name)
			}
			continue
		}
		for _, imp := range p.Imports {
			if ours, is := strings.CutPrefix(imp, module+"/"); is {
				if !slices.Contains(rule.ours, ours) {
					t.Errorf("%s imports %s; it may import of ours only %v", name, ours, rule.ours)
				}
				continue
			}
			for _, closed := range rule.closed {
				if strings.HasPrefix(imp, closed) {
					t.Errorf("%s imports %s, which is closed to it", name, imp)
				}
			}
		}
	}
}

// TestNoClock keeps time.Now, Since and Until out of everything that must give
// the same answer years later: only cmd and recorder know what time it is.
func TestNoClock(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "recorder") {
			continue
		}
		for _, file := range p.GoFiles {
			set := token.NewFileSet()
			tree, err := parser.ParseFile(set, filepath.Join(p.Dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name) {
					t.Errorf("%s: time.%s: this package must not know the time; take it as an argument", set.Position(n.Pos()), sel.Sel.Name)
				}
				return true
			})
		}
	}
}
