package encoding_test

import (
	"fmt"

	"github.com/svcspy/svcspy/store/encoding"
)

// A Reader fails once and for all at the first thing that is not there, and
// allocates nothing for a count that cannot be right.
func ExampleReader() {
	r := encoding.Reader{Data: encoding.AppendText(nil, "web")}
	fmt.Println(r.Text(), r.Bad)

	r = encoding.Reader{Data: []byte{0xff, 0xff, 0xff, 0x7f, 1}}
	fmt.Println(r.Count(1), r.Bad)
	// Output:
	// web false
	// 0 true
}
