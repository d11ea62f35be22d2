package flight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/svcspy/svcspy/store"
)

// Request asks the recorder of a recording for something.
type Request struct {
	Verb string      `json:"verb"`           // Keep or Mark
	Mark *store.Mark `json:"mark,omitempty"` // without a time it is about now
}

// Verbs of a Request.
const (
	Keep = "keep" // save the window and what follows
	Mark = "mark" // write Request.Mark into the recording
)

// Response is what the recorder answers.
type Response struct {
	Path   string    `json:"path,omitempty"`   // of the recording that will hold the window
	Remark string    `json:"remark,omitempty"` // for people
	Time   time.Time `json:"time,omitzero"`    // the instant that the mark is about
	Error  string    `json:"error,omitempty"`
}

// ErrNoRecorder is returned when no recorder takes a Request.
var ErrNoRecorder = errors.New("its recorder does not answer")

const (
	controlTimeout = 10 * time.Second // for one Request and its Response
	largestRequest = 64 << 10
	// longestSocket is the length of a path that every system can bind a
	// socket to: sun_path has 104 bytes on Darwin and 108 on Linux.
	longestSocket = 100
)

// socketPath returns where the recorder of a recording listens: beside it, so
// that whoever can reach the file can reach its recorder, also from another
// container.
func socketPath(recording string) string { return recording + ".sock" }

// Ask sends a Request to the recorder of a recording and returns its Response.
// The error is ErrNoRecorder if nobody listens.
func Ask(ctx context.Context, recording string, q Request) (Response, error) {
	if real, err := filepath.EvalSymlinks(recording); err == nil {
		recording = real
	}
	path, done := shortPath(socketPath(recording))
	defer done()
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return Response{}, ErrNoRecorder
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var is Response
	if err = json.NewEncoder(conn).Encode(q); err == nil {
		err = json.NewDecoder(io.LimitReader(conn, largestRequest)).Decode(&is)
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return is, ErrNoRecorder
	case ctx.Err() != nil:
		return is, ctx.Err()
	case err != nil:
		return is, fmt.Errorf("ask the recorder: %w", err)
	case is.Error != "":
		return is, errors.New(is.Error)
	}
	return is, nil
}

// control answers Requests for a recording.
type control struct {
	listener net.Listener
	reply    func(Request) Response
}

// newControl listens beside a recording; only the user of the recorder can
// connect.
func newControl(recording string, reply func(Request) Response) (*control, error) {
	path := socketPath(recording)
	os.Remove(path) // an earlier recorder of that name was killed
	short, done := shortPath(path)
	defer done()
	listener, err := net.Listen("unix", short)
	if err == nil {
		listener.(*net.UnixListener).SetUnlinkOnClose(false) // the short path may be gone by then
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return &control{listener, reply}, nil
}

// run answers until ctx is done, and takes the socket away.
func (c *control) run(ctx context.Context, recording string) {
	var open sync.WaitGroup
	defer open.Wait()
	defer os.Remove(socketPath(recording))
	stop := context.AfterFunc(ctx, func() { c.listener.Close() })
	defer stop()
	for {
		conn, err := c.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many open files, say: it passes
			select {
			case <-time.After(time.Second):
				continue
			case <-ctx.Done():
				return
			}
		}
		open.Go(func() { c.serve(ctx, conn) })
	}
}

func (c *control) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	// Whoever says nothing does not hold the end of the recorder.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if conn.SetDeadline(time.Now().Add(controlTimeout)) != nil {
		return
	}
	is := Response{Error: "that is not a request"}
	var q Request
	if json.NewDecoder(io.LimitReader(conn, largestRequest)).Decode(&q) == nil {
		is = c.reply(q)
	}
	_ = json.NewEncoder(conn).Encode(is) // whoever asked may have gone
}

// shortPath returns a path of at most longestSocket bytes to the same file,
// where the system has one, and what ends its use.
func shortPath(path string) (short string, done func()) {
	if len(path) <= longestSocket {
		return path, func() {}
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return path, func() {}
	}
	short = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	if _, err := os.Stat(filepath.Dir(short)); err != nil {
		short = path
	}
	return short, func() { dir.Close() }
}
