package remote_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"lockstep/reconcile/remote/client"
	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// records returns the next n records of folders that nobody has, after so many.
func records(after, n int) (raw []byte) {
	for i := range n {
		r := wire.FolderRecord{Key: wire.ToFolderKey(uint64(after + i + 1)), Shape: wire.FolderShape{1}}
		raw = r.Append(raw)
	}
	return raw
}

// TestEndlessSurvey: a server that tells of folder after folder is listened to
// only so long. What it did not tell of is asked for.
func TestEndlessSurvey(t *testing.T) {
	const part = 2048
	ended := make(chan struct{})
	r := openLiar(t, &liar{
		survey: func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
			defer close(ended)
			for at := 0; ; at += part {
				if err := s.Send(&wire.SurveyReply{Survey: 1, Folders: records(at, part)}); err != nil {
					return err
				}
			}
		},
		list: func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			return s.Send(&wire.ListReply{Complete: true})
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, path := range []tree.Path{tree.Root, "below"} {
		if _, err := r.Compare(ctx, tree.Subject{Path: path}); err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
	select {
	case <-ended:
	case <-ctx.Done():
		t.Error("the survey goes on")
	}
}

// TestSurveyBesideAnEvent: a root that is compared because of an event leaves
// alone what a pass waits for.
func TestSurveyBesideAnEvent(t *testing.T) {
	const below = tree.Path("below")
	told := func(path tree.Path) []byte {
		return wire.FolderRecord{Key: wire.KeyOf(path), Shape: wire.FolderShape{1}}.Append(nil)
	}
	var surveys atomic.Int64
	goOn := make(chan struct{})
	r := openLiar(t, &liar{
		survey: func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
			surveys.Add(1)
			if err := s.Send(&wire.SurveyReply{Survey: 1, Folders: told(tree.Root)}); err != nil {
				return err
			}
			<-goOn
			return s.Send(&wire.SurveyReply{Survey: 1, Folders: told(below), Complete: true, Count: 2})
		},
		list: func(s grpc.ServerStreamingServer[wire.ListReply]) error {
			return s.Send(&wire.ListReply{Complete: true})
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, s := range []tree.Subject{{Path: tree.Root}, {Path: tree.Root, Method: tree.ByMetadata, Alone: true}} {
		if _, err := r.Compare(ctx, s); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	close(goOn)
	if _, err := r.Compare(ctx, tree.Subject{Path: below}); err != nil || surveys.Load() != 1 {
		t.Errorf("%d surveys, %v", surveys.Load(), err)
	}
}

// TestSurveyAhead: a server that is far ahead of the client waits for it, and
// goes on when the client asks for more.
func TestSurveyAhead(t *testing.T) {
	const part, parts = 4096, 100 // 13 MB
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		here, there := net.Pipe()
		g := grpc.NewServer()
		wire.RegisterTreeServer(g, &liar{
			survey: func(s grpc.ServerStreamingServer[wire.SurveyReply]) error {
				told := func(path tree.Path) []byte {
					return wire.FolderRecord{Key: wire.KeyOf(path), Shape: wire.FolderShape{1}}.Append(nil)
				}
				if err := s.Send(&wire.SurveyReply{Survey: 1, Folders: told(tree.Root)}); err != nil {
					return err
				}
				for i := range parts {
					if err := s.Send(&wire.SurveyReply{Survey: 1, Folders: records(i*part, part)}); err != nil {
						return err
					}
					sent.Add(1)
				}
				return s.Send(&wire.SurveyReply{Survey: 1, Folders: told("last"), Complete: true, Count: part*parts + 2})
			},
			list: func(s grpc.ServerStreamingServer[wire.ListReply]) error {
				return s.Send(&wire.ListReply{Complete: true})
			},
		})
		go func() { // ends with the server
			if _, err := wire.ReadHello(there); err != nil {
				return
			}
			wire.SendWelcome(there, &wire.Welcome{Version: 1, Traits: wire.FromTraits(tree.Full())})
			g.Serve(&one{conn: there})
		}()
		defer g.Stop()
		r, err := client.Open(t.Context(), client.Options{Dial: func(context.Context) (net.Conn, error) { return here, nil }})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := r.Compare(t.Context(), tree.Subject{Path: tree.Root}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := sent.Load(); n == parts {
			t.Error("the client takes all of a survey that nobody waits for")
		}
		if _, err := r.Compare(t.Context(), tree.Subject{Path: "last"}); err != nil || sent.Load() != parts {
			t.Errorf("%d of %d parts were sent, %v", sent.Load(), parts, err)
		}
	})
}
