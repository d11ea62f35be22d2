package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/apiserver"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

type getOptions struct {
	look
	selector string
	all      bool
}

func (a *app) getCommand() *cobra.Command {
	o := &getOptions{look: look{app: a}}
	cmd := &cobra.Command{
		Use:   "get FILE TYPE [NAME]",
		Short: "Any recorded object or list at an instant, as kubectl shows it",
		Long: `Get prints objects as they were at an instant, in the tables kubectl shows: AGE is
measured at that instant. What was not recorded is an error, never an empty list.

EXIT STATUS
  0 printed, 1 error or not recorded, 2 wrong words or time.`,
		Example: `  # the Pods as they were at 14:02
  svcspy get incident.db pods -n shop --at 14:02 -o wide

  # one object as YAML, at an event
  svcspy get incident.db deploy/web -n shop --at '#812' -o yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 || len(args) > 3 {
				return usageError{errors.New("get takes a recording, a type, and perhaps a name"), a.name + " get --help shows examples"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0], args[1:]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.at, "at", "", "the instant to look at, such as 14:02, end-30s or '#812' (default: the end)")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "namespace of the objects (default: all)")
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "all namespaces")
	flags.StringVarP(&o.selector, "selector", "l", "", "only objects with these labels")
	flags.BoolVar(&o.noHeaders, "no-headers", false, "no line with the names of the columns")
	a.addOutput(cmd, "wide", "name", "json", "yaml")
	return cmd
}

func (o *getOptions) run(ctx context.Context, file string, words []string) error {
	if kind, name, ok := strings.Cut(words[0], "/"); ok && len(words) == 1 {
		words = []string{kind, name}
	}
	var subject []string
	if len(words) == 2 {
		subject = words
	}
	r, err := o.open(ctx, file, subject)
	if err != nil {
		return err
	}
	defer r.Close()
	s, err := o.seek(r)
	if err != nil {
		return err
	}
	path, err := o.path(r, words, s.Seq())
	if err != nil {
		return err
	}
	body, err := o.ask(r, s, path)
	if err != nil {
		return err
	}
	return o.print(body)
}

// path is what is asked for, in the words of the Kubernetes API.
func (o *getOptions) path(t replay.Timeline, words []string, at store.Seq) (string, error) {
	resources := t.Info().Resources
	var ref store.Ref
	if len(words) == 2 {
		var err error
		if ref, err = o.subject(t, words, at); err != nil {
			return "", err
		}
	} else {
		if strings.Contains(words[0], ",") {
			return "", usageError{fmt.Errorf("get prints one type at a time, not %q", words[0]), ""}
		}
		r, err := replay.FindResource(words[0], resources)
		if err != nil {
			return "", err
		}
		ref.Resource.Group, ref.Resource.Version, ref.Resource.Resource = r.Group, r.Version, r.Name
		if r.Namespaced && !o.all {
			ref.Namespace = o.namespace
		}
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
	return path, nil
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
	if o.output == "text" || o.output == "wide" {
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
		o.note("svcspy: warning: %s", report.Clean(warning))
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

func (o *getOptions) print(body []byte) error {
	switch o.output {
	case "json":
		var b bytes.Buffer
		if err := json.Indent(&b, body, "", "    "); err != nil {
			return err
		}
		_, err := fmt.Fprintf(o.out, "%s\n", bytes.TrimRight(report.Harmless(b.Bytes()), "\n"))
		return err
	case "yaml":
		text, err := report.YAML(body)
		if err != nil {
			return err
		}
		_, err = o.out.Write(text)
		return err
	case "name":
		return names(o.out, body)
	}
	var table metav1.Table
	if err := json.Unmarshal(body, &table); err != nil {
		return err
	}
	return o.table(&table)
}

// names prints TYPE/NAME of an object or of each in a list.
func names(w io.Writer, body []byte) error {
	type named struct {
		Kind     string            `json:"kind"`
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	var list struct {
		named
		Items *[]named `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	items := []named{list.named}
	if list.Items != nil {
		items = *list.Items
	}
	for _, it := range items {
		kind := it.Kind
		if kind == "" {
			kind = strings.TrimSuffix(list.Kind, "List")
		}
		if _, err := fmt.Fprintln(w, report.Clean(strings.ToLower(kind)+"/"+it.Metadata.Name)); err != nil {
			return err
		}
	}
	return nil
}

// table prints rows as kubectl does.
func (o *getOptions) table(t *metav1.Table) error {
	if len(t.Rows) == 0 {
		o.note("No resources found.")
		return nil
	}
	w := tabwriter.NewWriter(o.out, 6, 4, 3, ' ', 0)
	spaces := make([]string, len(t.Rows))
	several := false
	for i := range t.Rows {
		var m metav1.PartialObjectMetadata
		if json.Unmarshal(t.Rows[i].Object.Raw, &m) == nil {
			spaces[i] = m.Namespace
		}
		several = several || m.Namespace != "" && o.namespace == "" && len(o.words) == 0
	}
	line := func(namespace string, cells []any, clean func(any) string) {
		var row []string
		if several {
			row = append(row, namespace)
		}
		for i, c := range cells {
			if t.ColumnDefinitions[i].Priority == 0 || o.output == "wide" {
				row = append(row, clean(c))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	if !o.noHeaders {
		var titles []any
		for _, c := range t.ColumnDefinitions {
			titles = append(titles, strings.ToUpper(c.Name))
		}
		line("NAMESPACE", titles, func(v any) string { return fmt.Sprint(v) })
	}
	for i, r := range t.Rows {
		line(report.Clean(spaces[i]), r.Cells, func(v any) string { return report.Clean(fmt.Sprint(v)) })
	}
	return w.Flush()
}
