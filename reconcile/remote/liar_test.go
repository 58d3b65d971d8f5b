package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"runtime"
	"testing"

	"google.golang.org/grpc"

	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// liar is a server that says what it likes.
type liar struct {
	wire.UnimplementedTreeServer
	survey func(grpc.ServerStreamingServer[wire.SurveyReply]) error
	list   func(grpc.ServerStreamingServer[wire.ListReply]) error
	look   func(grpc.ServerStreamingServer[wire.LookReply]) error
	apply  func(grpc.BidiStreamingServer[wire.ApplyRequest, wire.ApplyReply]) error
}

func (l *liar) Survey(_ *wire.SurveyRequest, s grpc.ServerStreamingServer[wire.SurveyReply]) error {
	return l.survey(s)
}
func (l *liar) List(_ *wire.ListRequest, s grpc.ServerStreamingServer[wire.ListReply]) error {
	return l.list(s)
}
func (l *liar) Look(_ *wire.LookRequest, s grpc.ServerStreamingServer[wire.LookReply]) error {
	return l.look(s)
}
func (l *liar) Apply(s grpc.BidiStreamingServer[wire.ApplyRequest, wire.ApplyReply]) error {
	return l.apply(s)
}

// openLiar connects a client to l.
func openLiar(t *testing.T, l *liar) *client.Replica {
	t.Helper()
	dial := func(context.Context) (net.Conn, error) {
		here, there := connPair(t)
		g := grpc.NewServer()
		wire.RegisterTreeServer(g, l)
		go func() {
			if _, err := wire.ReadHello(there); err != nil {
				return
			}
			wire.SendWelcome(there, &wire.Welcome{Version: 1, Traits: wire.FromTraits(tree.Full())})
			g.Serve(&one{conn: there})
		}()
		t.Cleanup(g.Stop)
		return here, nil
	}
	r, err := client.Open(t.Context(), client.Options{Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

type one struct{ conn net.Conn }

func (o *one) Accept() (net.Conn, error) {
	if c := o.conn; c != nil {
		o.conn = nil
		return c, nil
	}
	return nil, io.EOF
}
func (o *one) Close() error   { return nil }
func (o *one) Addr() net.Addr { return &net.UnixAddr{} }

// TestLyingListing (X22): a listing that is cut off or cannot be is no
// comparison, so that it removes nothing.
func TestLyingListing(t *testing.T) {
	entry := func(name string) *wire.Listed {
		return &wire.Listed{Entry: wire.FromEntry(tree.Entry{Name: name, Kind: tree.File})}
	}
	surveyed := func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
		record := wire.FolderRecord{Key: wire.KeyOf(tree.Root)}
		record.Shape[0] = 1
		return s.Send(&wire.SurveyReply{Survey: 1, Folders: record.Append(nil), Complete: true, Count: 1})
	}
	subject := tree.Subject{Path: tree.Root}
	for name, list := range map[string]func(s grpc.ServerStreamingServer[wire.ListReply]) error{
		"X22 cut off": func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			return s.Send(&wire.ListReply{Entries: []*wire.Listed{entry("a")}})
		},
		"X22 wrong count": func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			return s.Send(&wire.ListReply{Complete: true, Count: 2})
		},
		"X22 error": func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			s.Send(&wire.ListReply{Entries: []*wire.Listed{entry("a")}})
			return errors.New("broken")
		},
		"traversal": func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			return s.Send(&wire.ListReply{Entries: []*wire.Listed{{Entry: &wire.Entry{Name: []byte("../x"), Kind: 1}}}, Complete: true, Count: 1})
		},
		"unsorted": func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			return s.Send(&wire.ListReply{Entries: []*wire.Listed{entry("b"), entry("a")}, Complete: true, Count: 2})
		},
		"twice": func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			return s.Send(&wire.ListReply{Entries: []*wire.Listed{entry("b"), entry("b")}, Complete: true, Count: 2})
		},
		"nameless": func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			return s.Send(&wire.ListReply{Entries: []*wire.Listed{entry("")}, Complete: true, Count: 1})
		},
	} {
		r := openLiar(t, &liar{survey: surveyed, list: list})
		if c, err := r.Compare(t.Context(), subject); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
	for name, survey := range map[string]func(s grpc.ServerStreamingServer[wire.SurveyReply]) error{
		"X22 survey cut off": func(s grpc.ServerStreamingServer[wire.SurveyReply]) error { return nil },
		"X22 survey short": func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
			return s.Send(&wire.SurveyReply{Complete: true, Count: 1})
		},
		"read more than told of": func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
			return s.Send(&wire.SurveyReply{Folders: make([]byte, 32), Read: []int64{1, 2}, Complete: true, Count: 1})
		},
		"read less than nothing": func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
			return s.Send(&wire.SurveyReply{Folders: bytes.Repeat([]byte{1}, 32), Read: []int64{-1}, Complete: true, Count: 1})
		},
		"half a record": func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
			return s.Send(&wire.SurveyReply{Folders: make([]byte, 31)})
		},
	} {
		r := openLiar(t, &liar{survey: survey})
		if c, err := r.Compare(t.Context(), subject); !errors.Is(err, tree.ErrUnreachable) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// TestListingsEnd: nothing is left of a listing once it was read, nor of one that
// was not read to its end.
func TestListingsEnd(t *testing.T) {
	const listings = 50
	good := true
	r := openLiar(t, &liar{
		survey: func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
			flawed := wire.FolderRecord{Key: wire.KeyOf(tree.Root)}
			return s.Send(&wire.SurveyReply{Survey: 1, Folders: flawed.Append(nil), Complete: true, Count: 1})
		},
		list: func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			if good = !good; good {
				return s.Send(&wire.ListReply{Complete: true})
			}
			return s.Send(&wire.ListReply{Entries: []*wire.Listed{{Error: wire.FromError(fs.ErrPermission)}}})
		},
	})
	before := runtime.NumGoroutine()
	for range listings {
		if _, err := r.Compare(t.Context(), tree.Subject{Path: tree.Root}); err != nil && !errors.Is(err, fs.ErrPermission) {
			t.Fatal(err)
		}
	}
	await(t, func() error {
		if n := runtime.NumGoroutine() - before; n > listings/2 {
			return fmt.Errorf("%d goroutines are left", n)
		}
		return nil
	})
}

// TestOneKeyForTwo: whoever may make folders in the source can find two paths of
// which the keys are the same, in some 2^32 attempts. Both are listed, and
// compared all the same.
func TestOneKeyForTwo(t *testing.T) {
	listed := 0
	r := openLiar(t, &liar{
		survey: func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
			record := wire.FolderRecord{Key: wire.KeyOf("two")}
			reply := &wire.SurveyReply{Survey: 1, Complete: true, Count: 3}
			for record.Shape[0] = range 2 {
				reply.Folders = record.Append(reply.Folders)
			}
			reply.Folders = wire.FolderRecord{Key: wire.KeyOf(tree.Root)}.Append(reply.Folders)
			return s.Send(reply)
		},
		list: func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			listed++
			return s.Send(&wire.ListReply{Complete: true})
		},
	})
	for i, path := range []tree.Path{tree.Root, "two", "two"} { // the last one stands for the other
		if _, err := r.Compare(t.Context(), tree.Subject{Path: path}); err != nil || listed != i+1 {
			t.Errorf("%q: %d were listed, %v", path, listed, err)
		}
	}
}

// TestLyingOutcome (X7, X8): a server gets nothing that was not offered, and
// what it says of an action counts only if it can be.
func TestLyingOutcome(t *testing.T) {
	opened := 0
	action := tree.Action{Kind: tree.Copy, Path: "offered", Want: tree.Entry{Kind: tree.File, Size: 5}, Open: func() (tree.Content, error) {
		opened++
		return nil, errors.New("no content")
	}}
	for name, reply := range map[string][]*wire.ApplyReply{
		"X7 asks for what was not offered": {{Answered: 1000, Need: bytes.Repeat([]byte{255}, 125)}},
		"X7 asks for nothing twice":        {{Answered: 3, Need: nil}},
		"X8 too many outcomes":             {{Outcomes: []*wire.Outcome{{}, {}}}},
		"X8 too many plain ones":           {{Plain: 1<<32 - 1}},
		"X8 plain ones before":             {{Outcomes: []*wire.Outcome{{Plain: 2}}}},
		"X8 a new file by a removal":       {{Plain: 1}},
		"X8 no outcome":                    {},
		"X8 mad outcome":                   {{Outcomes: []*wire.Outcome{{Did: 99}}}},
		"X8 removed less than nothing":     {{Outcomes: []*wire.Outcome{{Removed: -1}}}},
	} {
		r := openLiar(t, &liar{apply: func(s grpc.BidiStreamingServer[wire.ApplyRequest, wire.ApplyReply]) error {
			for {
				if _, err := s.Recv(); err != nil {
					break
				}
			}
			for _, m := range reply {
				if err := s.Send(m); err != nil {
					return err
				}
			}
			return nil
		}})
		plain := tree.Action{Kind: tree.Remove, Path: "x", Over: tree.File}
		if out := r.Apply(t.Context(), []tree.Action{plain}); len(out) != 1 || !errors.Is(out[0].Err, tree.ErrUnreachable) {
			t.Errorf("%s: %+v", name, out)
		}
		if err := r.Check(); !errors.Is(err, tree.ErrUnreachable) {
			t.Errorf("%s: the session goes on: %v", name, err)
		}
	}
	// An outcome that claims success for what was never read does not count.
	r := openLiar(t, &liar{apply: func(s grpc.BidiStreamingServer[wire.ApplyRequest, wire.ApplyReply]) error {
		for {
			if _, err := s.Recv(); err != nil {
				break
			}
		}
		return s.Send(&wire.ApplyReply{Outcomes: []*wire.Outcome{{Did: uint32(tree.Copy), Bytes: 5}}})
	}})
	if out := r.Apply(t.Context(), []tree.Action{action}); out[0].Err == nil || opened != 1 {
		t.Errorf("X8: %+v", out)
	}
}

// TestSilentServer (X9): a server that answers without end, and says nothing, is
// given up.
func TestSilentServer(t *testing.T) {
	r := openLiar(t, &liar{look: func(s grpc.ServerStreamingServer[wire.LookReply]) error {
		return again(func() error { return s.Send(&wire.LookReply{}) })
	}})
	if found := r.Look(t.Context(), []tree.Path{"x"}); !errors.Is(found[0].Err, tree.ErrUnreachable) {
		t.Errorf("look: %+v", found)
	}
	r = openLiar(t, &liar{apply: func(s grpc.BidiStreamingServer[wire.ApplyRequest, wire.ApplyReply]) error {
		return again(func() error { return s.Send(&wire.ApplyReply{}) })
	}})
	if out := r.Apply(t.Context(), []tree.Action{{Kind: tree.Remove, Path: "x", Over: tree.File}}); !errors.Is(out[0].Err, tree.ErrUnreachable) {
		t.Errorf("apply: %+v", out)
	}
	silent := func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
		return again(func() error { return s.Send(&wire.SurveyReply{Survey: 1}) })
	}
	flawed := func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
		record := wire.FolderRecord{Key: wire.KeyOf(tree.Root)}
		record.Shape[0] = 1
		return s.Send(&wire.SurveyReply{Survey: 1, Folders: record.Append(nil), Complete: true, Count: 1})
	}
	for name, survey := range map[string]func(grpc.ServerStreamingServer[wire.SurveyReply]) error{"survey": silent, "list": flawed} {
		r := openLiar(t, &liar{survey: survey, list: func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			return again(func() error { return s.Send(&wire.ListReply{}) })
		}})
		if _, err := r.Compare(t.Context(), tree.Subject{Path: tree.Root}); !errors.Is(err, tree.ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// again calls send until that fails.
func again(send func() error) error {
	for {
		if err := send(); err != nil {
			return err
		}
	}
}

// TestLyingLook (X8): what was found has to answer what was asked.
func TestLyingLook(t *testing.T) {
	for name, m := range map[string]*wire.LookReply{
		"too few": {}, "too many": {Found: []*wire.Found{{Entry: &wire.Entry{Name: []byte("x")}}, {Entry: &wire.Entry{}}}},
		"another": {Found: []*wire.Found{{Entry: &wire.Entry{Name: []byte("y")}}}},
	} {
		r := openLiar(t, &liar{look: func(s grpc.ServerStreamingServer[wire.LookReply]) error { return s.Send(m) }})
		if found := r.Look(t.Context(), []tree.Path{"x"}); len(found) != 1 || !errors.Is(found[0].Err, tree.ErrUnreachable) {
			t.Errorf("look %s: %+v", name, found)
		}
	}
}
