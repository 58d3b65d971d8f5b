package chunk

import "os"

// SpareIn names a folder for when the spool's own is full, or is gone and cannot
// be made again: a server that is confined to its folders has none instead of one
// that somebody cleared away. Files are made there without a name, so nobody sees
// them, and nothing is left for another attempt. Call it before all else.
func (s *Spool) SpareIn(folder string) { s.spare = folder }

// beginUnnamed is Begin in the spare folder. It fails with err.
func (s *Spool) beginUnnamed(err error) (*Spooled, error) {
	data, err := s.unnamed(err)
	if err != nil {
		return nil, err
	}
	return &Spooled{spool: s, data: data, users: 1, doomed: true}, nil
}

// Overflow makes room in the spare folder for what does not fit into f any more.
// It fails with cause.
func (s *Spool) Overflow(f *Spooled, cause error) (*Spooled, error) {
	if f.base == "" { // that is where it is
		return nil, cause
	}
	return s.beginUnnamed(cause)
}

// unnamed makes a file in the spare folder. It fails with err.
func (s *Spool) unnamed(err error) (*os.File, error) {
	if s.spare == "" {
		return nil, err
	}
	f, openErr := openUnnamed(s.spare)
	if openErr != nil {
		return nil, err
	}
	return f, nil
}
