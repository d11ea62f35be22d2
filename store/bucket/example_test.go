package bucket_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/svcspy/svcspy/store/bucket"
)

// A folder is a bucket, too.
func ExampleOpenFolder() {
	dir, err := os.MkdirTemp("", "svcspy-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	b, err := bucket.OpenFolder(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, text := context.Background(), "a segment"
	body := io.NewSectionReader(strings.NewReader(text), 0, int64(len(text)))
	if err := b.Put(ctx, "eu-1/2026-11-24/140000", body, true); err != nil {
		fmt.Println(err)
		return
	}
	for o, err := range b.List(ctx, bucket.Listing{Prefix: "eu-1/"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		data, err := bucket.ReadAll(ctx, b, o, 1<<20)
		fmt.Println(o.Key, string(data), err)
	}
	// Output: eu-1/2026-11-24/140000 a segment <nil>
}
