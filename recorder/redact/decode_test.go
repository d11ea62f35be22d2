package redact

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/svcspy/svcspy/store"
)

// typed returns an object as clients decode it, nil if its kind is not built in.
func typed(text []byte) (runtime.Object, error) {
	var head metav1.TypeMeta
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	o, err := scheme.Scheme.New(head.GroupVersionKind())
	if err != nil {
		return nil, nil
	}
	return o, json.Unmarshal(text, o)
}

// extremes are values that a typed member may hold, in turns.
type extremes struct{ n int }

var (
	amountsToTry = []string{
		"9223372036854771712", "9007199254740988Ki", "8796093022208Mi", "8589934591Gi", "7E", "8Ei", "500m", "1.5Gi", "-1", "1e3", "12e6", "1E", "100n",
		"250u", "123456789012345m", "32Mi", "1e-3", "-12e+5", "999999999999999999999999",
	}
	durationsToTry = []time.Duration{0, 1, -time.Hour, 1<<63 - 1, 90*time.Second + 1, 87600 * time.Hour, 13 * time.Microsecond}
	timesToTry     = []time.Time{
		time.Date(2026, 11, 30, 9, 41, 7, 123456000, time.UTC), time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Date(2026, 2, 1, 3, 4, 5, 0, time.FixedZone("", 5*3600+1800)),
	}
	portsToTry = []intstr.IntOrString{intstr.FromString("25%"), intstr.FromString("http-metrics"), intstr.FromInt32(8443), intstr.FromString("100%")}
	bytesToTry = [][]byte{
		[]byte("-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQf3\n-----END CERTIFICATE-----\n"),
		{0},
		{0xff, 0xfe, 0x80, 7},
		[]byte(strings.Repeat("\x30\x82\x9a\x11\xc4", 40)), []byte(`{"a":"b"}`),
	}
)

// fill puts extremes into the typed members of an object, and lists what stands in
// them now.
func (x *extremes) fill(v reflect.Value, path string, set bool, found map[string]string) {
	if v.CanAddr() {
		switch p := v.Addr().Interface().(type) {
		case *resource.Quantity:
			if set {
				*p = resource.MustParse(pick(x, amountsToTry))
			}
			found[path] = p.String()
			return
		case *metav1.Time:
			if set {
				*p = metav1.NewTime(pick(x, timesToTry))
			}
			found[path] = p.UTC().Format(time.RFC3339)
			return
		case *metav1.MicroTime:
			if set {
				*p = metav1.NewMicroTime(pick(x, timesToTry))
			}
			found[path] = p.UTC().Format(time.RFC3339Nano)
			return
		case *metav1.Duration:
			if set {
				p.Duration = pick(x, durationsToTry)
			}
			found[path] = p.Duration.String()
			return
		case *intstr.IntOrString:
			if set {
				*p = pick(x, portsToTry)
			}
			found[path] = p.String()
			return
		case *[]byte:
			if set {
				*p = pick(x, bytesToTry)
			}
			found[path] = base64.StdEncoding.EncodeToString(*p)
			return
		case *runtime.RawExtension, *metav1.FieldsV1:
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			x.fill(v.Elem(), path, set, found)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				x.fill(v.Field(i), path+"."+f.Name, set, found)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			x.fill(v.Index(i), fmt.Sprintf("%s[%d]", path, i), set, found)
		}
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return
		}
		for _, k := range v.MapKeys() {
			item := reflect.New(v.Type().Elem()).Elem()
			item.Set(v.MapIndex(k))
			x.fill(item, path+"."+k.String(), set, found)
			if set {
				v.SetMapIndex(k, item)
			}
		}
	}
}

func pick[T any](x *extremes, from []T) T {
	x.n++
	return from[x.n%len(from)]
}

// TestTypedMembers: every kind of k8s.io/api, with each of its members filled, can
// still be decoded, and amounts, times, durations, ports and bytes are what they
// were, whatever they are. Data of Secrets, ConfigMaps and RangeAllocations, which no
// API serves, are other bytes.
func TestTypedMembers(t *testing.T) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	if err != nil {
		t.Skip("the source of k8s.io/api is not here:", err)
	}
	paths, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(module)), "testdata", "HEAD", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Skip("k8s.io/api has no examples here:", err)
	}
	gates := map[string]*Share{}
	for _, policy := range SharePolicies {
		if gates[policy], err = NewShare(policy); err != nil {
			t.Fatal(err)
		}
	}
	kinds, members, rounds := 0, 0, 3
	if testing.Short() {
		rounds = 1
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		for round := range rounds {
			o, err := typed(text)
			if err != nil {
				t.Fatal(name, err)
			}
			if o == nil {
				break
			}
			before := map[string]string{}
			x := &extremes{n: 5 * round}
			x.fill(reflect.ValueOf(o).Elem(), "", true, before)
			full, err := json.Marshal(o)
			if err != nil {
				t.Fatal(name, err)
			}
			gvk := o.GetObjectKind().GroupVersionKind()
			if !builtIn[gvk.Group] {
				t.Fatalf("group %s is not known to be built in", gvk.Group)
			}
			plural := strings.ToLower(gvk.Kind) + "s"
			out, err := Standard(false).Object(nil, gvk.GroupVersion().WithResource(plural), full)
			if err != nil {
				t.Fatal(name, err)
			}
			for policy, gate := range gates {
				e := store.Event{Type: "ADDED", Resource: gvk.GroupVersion().WithResource(plural), Object: bytes.Clone(out)}
				if err := gate.Event(&e); err != nil {
					t.Fatal(name, err)
				}
				if _, err := typed(e.Object); err != nil {
					t.Errorf("%s cannot be decoded when shared (%s): %v", name, policy, err)
				}
			}
			got, err := typed(out)
			if err != nil {
				t.Errorf("%s cannot be decoded: %v", name, err)
				break
			}
			after := map[string]string{}
			x.fill(reflect.ValueOf(got).Elem(), "", false, after)
			if round == 0 {
				kinds, members = kinds+1, members+len(before)
			}
			for _, path := range slices.Sorted(maps.Keys(before)) {
				if plural == "secrets" || plural == "rangeallocations" || plural == "configmaps" && strings.HasPrefix(path, ".BinaryData") {
					continue
				}
				if after[path] != before[path] {
					t.Errorf("%s%s: %.80s becomes %.80s", name, path, before[path], after[path])
				}
			}
		}
	}
	t.Logf("%d kinds, %d typed members", kinds, members)
	if kinds < 100 || members < 1000 {
		t.Errorf("only %d kinds with %d typed members", kinds, members)
	}
}

// decodes reports an error if a client could decode an object, and can no longer.
func decodes(e store.Event, out []byte) error {
	if _, err := typed(e.Object); err != nil {
		return nil
	}
	_, err := typed(out)
	return err
}
