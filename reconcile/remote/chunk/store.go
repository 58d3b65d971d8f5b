package chunk

// The file of an index: how it is opened, and how damage of its pages becomes an
// error.

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"go.etcd.io/bbolt"
)

// store is the file of an [Index] while it is open.
type store struct {
	*bbolt.DB
	empty     bool          // it was, when it was opened
	abandoned chan struct{} // closed when another one has taken its place
}

// guarded turns what damaged pages do to f into an error: a panic, or a fault
// where the file ends too soon.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if damage := recover(); damage != nil {
			err = fmt.Errorf("%w: %v", errDamaged, damage)
		}
	}()
	return f()
}

// openStore opens the file and makes its tables.
func openStore(path string) (*store, error) {
	db, err := openBolt(path)
	if err != nil {
		return nil, err
	}
	s := &store{DB: db, abandoned: make(chan struct{})}
	err = guarded(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			first, _ := tx.Bucket(bucketChunks).Cursor().First()
			s.empty = first == nil
			return nil
		})
	})
	return s, err // damaged, it may be left locked
}

// openBolt opens the file with its tables.
func openBolt(path string) (db *bbolt.DB, err error) {
	err = guarded(func() error {
		db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: lockWait, FreelistType: bbolt.FreelistMapType, InitialMmapSize: firstMap, NoStatistics: true,
		})
		if err != nil {
			return err
		}
		return db.Update(makeTables)
	})
	if err != nil {
		if db != nil && !errors.Is(err, errDamaged) {
			db.Close()
		}
		return nil, err
	}
	return db, nil
}

// makeTables makes the tables, unless there are others.
func makeTables(tx *bbolt.Tx) error {
	names := [][]byte{bucketFiles, bucketPaths, bucketChunks}
	for _, name := range names {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
		if !slices.ContainsFunc(names, func(ours []byte) bool { return bytes.Equal(ours, name) }) {
			return errOlder
		}
		return nil
	})
}

// update writes n, and returns how long the file is then. begun is called with
// the number of the transaction. Once the store was abandoned, nobody waits for
// that any more: what a panic of who read has left locked, who writes waits for
// for ever. What is left of it then is a goroutine, and n.
func (s *store) update(n *notes, begun func(writes int)) (size int64, err error) {
	type result struct {
		size int64
		err  error
	}
	done := make(chan result, 1)
	go func() { // ends with the transaction; see above
		var r result
		r.err = guarded(func() error {
			return s.Update(func(tx *bbolt.Tx) error {
				begun(tx.ID())
				err := n.write(tx)
				r.size = tx.Size()
				return err
			})
		})
		done <- r
	}()
	select {
	case r := <-done:
		return r.size, r.err
	case <-s.abandoned:
		return 0, errDamaged
	}
}
