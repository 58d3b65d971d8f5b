//go:build !linux

package watcher

import "errors"

type surroundings struct{}

func heed(string, func()) (*surroundings, error) { return nil, errors.ErrUnsupported }

func (s *surroundings) stale() bool { return false }

func (s *surroundings) close() {}
