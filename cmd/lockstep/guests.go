package main

// What the log of a server tells of clients, and how often.

import (
	"fmt"
	"sync"
	"time"

	"lockstep/logging"
	"lockstep/reconcile/tree"
)

// guests tells who comes and goes.
type guests struct {
	log *logging.Log
	// Of those whom nobody knows, those who are refused, and what is held.
	strangers, refused, held ration
}

// Joined says that a client has come.
func (g *guests) Joined(who string) {
	g.log.Notice(logging.Notice{Class: "client_joined", Text: "client " + logging.Name(who) + " joined", Level: logging.LevelInfo})
}

// Left says that one has gone.
func (g *guests) Left(who string, err error) {
	text := "client " + logging.Name(who) + " left"
	if err != nil {
		text += ": " + oneLine(err)
	}
	g.log.Notice(logging.Notice{Class: "client_left", Text: text, Level: logging.LevelInfo})
}

// Refused says why one is not admitted.
func (g *guests) Refused(who string, err error) { g.refuse(&g.refused, who, err) }

// unknown is Refused for one who has shown no key.
func (g *guests) unknown(from string, err error) { g.refuse(&g.strangers, from, err) }

func (g *guests) refuse(r *ration, who string, err error) {
	if ok, untold := r.take(time.Now()); ok {
		text := "client " + logging.Name(who) + " was refused: " + oneLine(err)
		g.log.Notice(logging.Notice{Class: "client_refused", Text: text + andOthers(untold)})
	}
}

// Held says what the guard of the server holds.
func (g *guests) Held(path tree.Path, entries int) {
	if ok, untold := g.held.take(time.Now()); ok {
		text := fmt.Sprintf("removal of %d entries at %s is refused", entries, logging.Name(string(path)))
		g.log.Notice(logging.Notice{
			Class: "removals_held", Text: text + andOthers(untold), Remedy: "if it is meant, restart the server with a higher --max-delete",
		})
	}
}

// indexDamaged tells that what the server knew of chunks is lost.
func indexDamaged(log *logging.Log) func(error) {
	return func(err error) {
		log.Notice(logging.Notice{
			Class: "index_damaged", Text: "what is known of chunks was damaged, and is gathered anew: " + oneLine(err),
		})
	}
}

// So many notices of a kind are told in so long: strangers bring about as many
// as they like.
const (
	rationOf  = 60
	rationFor = time.Minute
)

// ration is how many of them may be told. Safe for concurrent use.
type ration struct {
	mu           sync.Mutex
	began        time.Time
	told, untold int
}

// take reports whether one more may be told, and how many were not told before
// it.
func (r *ration) take(now time.Time) (ok bool, untold int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.began) >= rationFor {
		r.began, r.told = now, 0
	}
	if r.told == rationOf {
		r.untold++
		return false, 0
	}
	r.told++
	untold, r.untold = r.untold, 0
	return true, untold
}

func andOthers(untold int) string {
	if untold == 0 {
		return ""
	}
	return fmt.Sprintf("; before that, %d others that are not told of", untold)
}
