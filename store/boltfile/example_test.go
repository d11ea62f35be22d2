package boltfile_test

import (
	"fmt"
	"log"
	"os"

	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
)

func ExampleFile_View() {
	file, err := os.Open("../../fixtures/incidents/config-change.db")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	err = boltfile.File{ReaderAt: file}.View(func(t *boltfile.Tree) error {
		return t.Values(encoding.BucketHead, nil, func(key, _ []byte) error {
			fmt.Println(string(key))
			return nil
		})
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// end
	// format
	// header
	// seal
}
