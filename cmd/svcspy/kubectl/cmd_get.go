// Package kubectl has the commands that show a recording as kubectl shows a
// cluster (get, events), and those that let other programs ask: serve and shell
// speak the Kubernetes API, mcp speaks to assistants. Each command is one
// function that returns it; [ServeOptions.Serve] and [Answer] also run without one.
package kubectl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/apiserver"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

type getOptions struct {
	cli.Query
	selector string
	all      bool
	template func(w io.Writer, body []byte) error // of -o jsonpath and its like
}

// GetCommand returns the command get.
func GetCommand(a *cli.App) *cobra.Command {
	o := &getOptions{Query: cli.Query{App: a}}
	cmd := &cobra.Command{
		Use:   "get FILE TYPE[,TYPE] [NAME]",
		Short: "Any recorded object or list at an instant, as kubectl shows it",
		Long: `Get prints objects as they were at an instant, in the tables kubectl shows: AGE
is measured at that instant. It takes types, names, TYPE/NAME and all as kubectl
does. A type that was not recorded is an error, never an empty list.

EXIT STATUS
  0 printed, 1 error or not recorded, 2 wrong words or time, 4 printed, but some
  objects are damaged.`,
		Example: `  # the Pods as they were at 14:02
  svcspy get incident.db pods -n shop --at 14:02 -o wide

  # several types at once, as they were half a minute before the end
  svcspy get incident.db deploy,pods -n shop --at end-30s

  # where each Pod ran
  svcspy get incident.db pods -n shop -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName

  # one object as YAML, at an event
  svcspy get incident.db deploy/web -n shop --at '#812' -o yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return cli.Usage(errors.New("get takes a recording, a type, and perhaps names"), a.Name+" get --help shows examples")
			}
			for _, word := range args[2:] {
				if strings.Contains(args[1], "/") != strings.Contains(word, "/") && (strings.Contains(args[1], "/") || strings.Count(word, "/") > 1) {
					return cli.Usage(fmt.Errorf("%q does not go with %q", word, args[1]), "name all as TYPE/NAME, or one type and then names")
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0], args[1:]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.At, "at", "", "the instant to look at, such as 14:02, end-30s or '#812' (default: the end)")
	flags.StringVarP(&o.Namespace, "namespace", "n", "", "namespace of the objects (default: all)")
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "all namespaces")
	flags.StringVarP(&o.selector, "selector", "l", "", "only objects with these labels")
	flags.BoolVar(&o.NoHeaders, "no-headers", false, "no line with the names of the columns")
	a.AddOutput(cmd, "wide", "name", "json", "yaml", "jsonpath=TEXT", "go-template=TEXT", "custom-columns=TEXT")
	listed := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, text, is := templateOf(o.Output)
		if !is {
			return listed(cmd, args)
		}
		var err error
		if o.template, err = templatePrinter(name, text, !o.NoHeaders); err != nil {
			o.Output = "text"
			return err
		}
		o.Output = "template"
		return o.run(cmd.Context(), args[0], args[1:])
	}
	return cmd
}

// wanted is one thing that is asked for.
type wanted struct {
	word string // names the type before a slash: deployment.apps
	path string // in the words of the Kubernetes API
	one  bool   // an object, not a list
	body []byte // the answer
}

func (o *getOptions) run(ctx context.Context, file string, words []string) error {
	var subject []string
	if len(words) == 1 && strings.Contains(words[0], "/") || len(words) == 2 && !strings.ContainsAny(words[0], "/,") {
		subject = words
	}
	r, err := o.Open(ctx, file, subject)
	if err != nil {
		return err
	}
	defer r.Close()
	s, err := o.Seek(r)
	if err != nil {
		return err
	}
	all, err := o.wanted(r, words, s.Seq())
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].body, err = o.ask(r, s, all[i].path); err != nil {
			return err
		}
	}
	return o.print(all)
}

// everyday is what kubectl means by all.
var everyday = []string{"pods", "services", "daemonsets.apps", "deployments.apps", "replicasets.apps", "statefulsets.apps", "horizontalpodautoscalers.autoscaling", "cronjobs.batch", "jobs.batch"}

// wanted reads TYPE[,TYPE...] [NAME...] or TYPE/NAME..., as kubectl does.
func (o *getOptions) wanted(t replay.Timeline, words []string, at store.Seq) ([]wanted, error) {
	var all []wanted
	resources, err := t.Resources(at)
	if err != nil {
		return nil, err
	}
	object := func(words ...string) error {
		ref, err := o.Subject(t, words, at)
		if err == nil {
			all = append(all, wantedOf(resources, ref))
		}
		return err
	}
	if strings.Contains(words[0], "/") {
		for _, word := range words {
			if err := object(word); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	types, names := strings.Split(words[0], ","), words[1:]
	if words[0] == "all" {
		types = slices.DeleteFunc(slices.Clone(everyday), func(name string) bool { return !recorded(t, resources, name, at) })
	}
	for _, name := range types {
		for _, n := range names {
			if err := object(name, n); err != nil {
				return nil, err
			}
		}
		if len(names) > 0 {
			continue
		}
		r, err := replay.FindResource(name, resources)
		if err != nil {
			return nil, err
		}
		ref := store.Ref{Resource: schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Name}}
		if r.Namespaced && !o.all {
			ref.Namespace = o.Namespace
		}
		all = append(all, wantedOf(resources, ref))
	}
	return all, nil
}

// recorded reports whether a resource was being listened to at all.
func recorded(t replay.Timeline, resources []metav1.APIResource, name string, at store.Seq) bool {
	r, err := replay.FindResource(name, resources)
	if err != nil {
		return false
	}
	c, err := t.Coverage(schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Name}, "", at)
	return err == nil && c.Status != store.NotRecorded
}

func wantedOf(resources []metav1.APIResource, ref store.Ref) wanted {
	word := ref.Resource.Resource
	for _, r := range resources {
		if r.Name == ref.Resource.Resource && r.Group == ref.Resource.Group && r.SingularName != "" {
			word = r.SingularName
		}
	}
	if ref.Resource.Group != "" {
		word += "." + ref.Resource.Group
	}
	path := "/api/" + ref.Resource.Version
	if ref.Resource.Group != "" {
		path = "/apis/" + ref.Resource.Group + "/" + ref.Resource.Version
	}
	if ref.Namespace != "" {
		path += "/namespaces/" + url.PathEscape(ref.Namespace)
	}
	path += "/" + ref.Resource.Resource
	if ref.Name != "" {
		path += "/" + url.PathEscape(ref.Name)
	}
	return wanted{word: word, path: path, one: ref.Name != ""}
}

// ask puts the question to the API server of the past, without a network.
func (o *getOptions) ask(t replay.Timeline, s *replay.State, path string) ([]byte, error) {
	const token = "get" // nobody else can reach this server
	server, err := apiserver.New(t, apiserver.Options{
		Token: token, Instants: []apiserver.Instant{{Name: "at", Time: s.Instant(), Seq: s.Seq()}},
	})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	query := url.Values{}
	if o.selector != "" {
		query.Set("labelSelector", o.selector)
	}
	accept := "application/json"
	if o.Output == "text" || o.Output == "wide" {
		accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
	}
	request, err := http.NewRequest(http.MethodGet, "http://recording"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", accept)
	var answer reply
	server.ServeHTTP(&answer, request)
	if answer.code >= http.StatusBadRequest {
		var status metav1.Status
		if json.Unmarshal(answer.body.Bytes(), &status) != nil || status.Message == "" {
			status.Message = http.StatusText(answer.code)
		}
		return nil, errors.New(status.Message)
	}
	for _, warning := range answer.Header().Values("Warning") {
		o.Damaged = true // some objects could not be read
		o.Warn("%s", report.Clean(warning))
	}
	return answer.body.Bytes(), nil
}

// reply takes an answer of the server.
type reply struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *reply) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

func (r *reply) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
}

func (r *reply) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}
