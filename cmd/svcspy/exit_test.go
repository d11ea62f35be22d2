package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/when"
)

// TestExitCodes holds the one switch and svcspy help exit-codes together.
func TestExitCodes(t *testing.T) {
	var codes []int
	for _, test := range []struct {
		err  error
		code int
	}{
		{nil, exitOK},
		{errors.New("disk full"), exitError},
		{&when.Error{Err: errors.New("block 7 is damaged")}, exitError},
		{&replay.SubjectError{Problem: "the recording never saw it"}, exitError},
		{usageError{errors.New("unknown flag"), ""}, exitUsage},
		{&when.Error{Text: "garbage"}, exitUsage},
		{&replay.SubjectError{Problem: "two namespaces", Usage: true}, exitUsage},
		{errCondition, exitTrue},
		{errDamaged, exitTrue},
		{errGap, exitGap},
		{errInterrupted, exitInterrupted},
		{&when.Error{Err: errInterrupted}, exitInterrupted},
		{errors.Join(errInterrupted, errors.New("seal")), exitInterrupted},
	} {
		for _, err := range []error{test.err, fmt.Errorf("wrapped: %w", test.err)} {
			if test.err == nil {
				err = nil
			}
			if got := exitCode(err); got != test.code {
				t.Errorf("exitCode(%v) = %d, want %d", err, got, test.code)
			}
		}
		if !slices.Contains(codes, test.code) {
			codes = append(codes, test.code)
		}
	}
	var documented []int
	for _, m := range regexp.MustCompile(`(?m)^  (\d+) +\S`).FindAllStringSubmatch(exitCodesHelp, -1) {
		code, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		documented = append(documented, code)
	}
	if diff := cmp.Diff(documented, codes); diff != "" {
		t.Errorf("codes of the switch and of svcspy help exit-codes (-topic +switch)\n%s", diff)
	}
}
