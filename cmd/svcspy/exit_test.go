package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
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
		{nil, cli.ExitOK},
		{errors.New("disk full"), cli.ExitError},
		{&when.Error{Err: errors.New("block 7 is damaged")}, cli.ExitError},
		{&replay.SubjectError{Problem: "the recording never saw it"}, cli.ExitError},
		{cli.Usage(errors.New("unknown flag"), ""), cli.ExitUsage},
		{&when.Error{Text: "garbage"}, cli.ExitUsage},
		{&replay.SubjectError{Problem: "two namespaces", Usage: true}, cli.ExitUsage},
		{cli.ErrCondition, cli.ExitTrue},
		{cli.ErrDamaged, cli.ExitTrue},
		{cli.ErrGap, cli.ExitGap},
		{cli.ErrInterrupted, cli.ExitInterrupted},
		{&when.Error{Err: cli.ErrInterrupted}, cli.ExitInterrupted},
		{errors.Join(cli.ErrInterrupted, errors.New("seal")), cli.ExitInterrupted},
	} {
		for _, err := range []error{test.err, fmt.Errorf("wrapped: %w", test.err)} {
			if test.err == nil {
				err = nil
			}
			if got := cli.ExitCode(err); got != test.code {
				t.Errorf("exitCode(%v) = %d, want %d", err, got, test.code)
			}
		}
		if !slices.Contains(codes, test.code) {
			codes = append(codes, test.code)
		}
	}
	var documented []int
	for _, m := range regexp.MustCompile(`(?m)^  (\d+) +\S`).FindAllStringSubmatch(cli.ExitCodesHelp, -1) {
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
