package mcp_test

import (
	"fmt"
	"path/filepath"

	"github.com/svcspy/svcspy/replay/mcp"
)

// An assistant asks about recordings by their names.
func ExampleLibrary_Find() {
	library, err := mcp.NewLibrary(filepath.Join("..", "..", "fixtures", "incidents"))
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := library.Find("selector-edited.db")
	fmt.Println(r.Name, err)
	// Output: selector-edited.db <nil>
}
