package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"lockstep/e2e/rig"
)

// Names of the peers that work with a daemon.
const (
	rsyncFar         = "rsync -a to a daemon"
	rsyncFarSynced   = "rsync -a to a daemon, sync -f"
	rsyncFarCompared = "rsync -ac to a daemon"
	rsyncFarSSH      = "rsync -a through ssh"
)

// far is a folder that a server offers on the loopback.
type far struct {
	*service
	url  string
	home string // of lockstep on both sides
	ssh  string // the command, where it is reached through ssh
}

// serve offers a folder by lockstep.
func (l *lab) serve(ctx context.Context, folder string) (*far, error) {
	return l.serveWith(ctx, folder)
}

// serveWith is serve with more flags. What the server and the client keep for themselves is beside the folder.
func (l *lab) serveWith(ctx context.Context, folder string, flags ...string) (*far, error) {
	f := &far{service: l.service("serve"), home: folder + "-home"}
	if err := os.MkdirAll(f.home, 0o700); err != nil {
		return nil, err
	}
	identify := f.lockstep(l, "id")
	id, err := exec.CommandContext(ctx, identify[0], identify[1:]...).Output()
	if err != nil {
		return nil, fmt.Errorf("lockstep id: %w", err)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	name := strings.TrimSpace(string(id))
	f.url = "lockstep://" + name + "@" + address
	command := f.lockstep(l, "serve", "--quiet", "--log-file", f.log, "--listen", address, "--allow", name)
	command = append(append(command, flags...), folder)
	return f, f.start(ctx, `"class":"serving"`, command[0], command[1:]...)
}

// lockstep is a command of the side with that home.
func (f *far) lockstep(l *lab, arguments ...string) []string {
	return append([]string{"env", "-i", "HOME=" + f.home, l.binary}, arguments...)
}

// once is lockstep for a single pass that pushes a source there.
func (f *far) once(l *lab, source string) []string {
	return f.lockstep(l, l.once(source, f.url)[1:]...)
}

// daemon offers a folder by rsync.
func (l *lab) daemon(ctx context.Context, folder string) (*far, error) {
	const config = "use chroot = no\naddress = %s\nport = %s\nuid = 0\ngid = 0\nlog file = %s\n[m]\npath = %s\nread only = no\n"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	f := &far{service: l.service("rsyncd"), url: "rsync://" + address + "/m/"}
	file := f.log + ".conf"
	if err := os.WriteFile(file, fmt.Appendf(nil, config, host, port, f.log, folder), 0o600); err != nil {
		return nil, err
	}
	if err := f.start(ctx, "starting", "rsync", "--daemon", "--no-detach", "--config="+file); err != nil {
		return nil, err
	}
	err = f.await(ctx, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	if err != nil {
		f.stop()
	}
	return f, err
}

// sshd lets a folder be reached through ssh; the URL is what rsync takes.
func (l *lab) sshd(ctx context.Context, folder string) (*far, error) {
	s := l.service("sshd")
	own := strings.TrimSuffix(s.log, ".log")
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	for _, path := range []string{own, folder} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, err
		}
	}
	ssh, err := rig.PrepareSSH(own, port)
	if err != nil {
		return nil, err
	}
	s.log = ssh.Log
	user, _, _ := strings.Cut(ssh.Host, "@")
	f := &far{service: s, url: user + "@127.0.0.1:" + folder + "/", ssh: ssh.Client}
	return f, f.start(ctx, rig.SSHListens, ssh.Server[0], ssh.Server[1:]...)
}

// freeAddress returns a port of the loopback that nobody has.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// host has a server for each turn of a contest, in the place of the one before.
type host struct {
	l     *lab
	place func(context.Context) (folder string, err error) // where the next one is to be
	far   *far                                             // nil before the first
}

// freshHost is a host of which each server gets a file system that was just made, in the room. The caller stops it and then
// empties that.
func freshHost(l *lab) (*host, *room) {
	r := &room{l: l, medium: ext4Memory}
	return &host{l: l, place: func(ctx context.Context) (string, error) {
		err := r.renew(ctx)
		return r.to(), err
	}}, r
}

func (h *host) stop() {
	if h.far != nil {
		h.far.stop()
		h.far = nil
	}
}

// offer is how a server is started.
type offer func(context.Context, string) (*far, error)

func (h *host) renew(ctx context.Context, start offer) error {
	h.stop()
	folder, err := h.place(ctx)
	if err != nil {
		return err
	}
	f, err := start(ctx, folder)
	if err == nil {
		h.far = f
	}
	return err
}

func (h *host) program(name string, start offer, command func(url string) []string) program {
	return program{
		name: name, prepare: func(ctx context.Context) error { return h.renew(ctx, start) },
		command: func() []string { return command(h.far.url) }, beside: func() *service { return h.far.service },
	}
}

func (h *host) lockstep(source string) program {
	return h.program("lockstep", h.l.serve, func(string) []string { return h.far.once(h.l, source) })
}

// lockstepUnsynced does what rsync does: nothing has to be on disk in the end.
func (h *host) lockstepUnsynced(source string) program {
	start := func(ctx context.Context, folder string) (*far, error) {
		return h.l.serveWith(ctx, folder, "--durability", "none")
	}
	return h.program("--durability none", start, func(string) []string { return h.far.once(h.l, source) })
}

// memory has lockstep push a source once more and tells what either side took at most.
func (h *host) memory(ctx context.Context, source string) ([]line, error) {
	const most = 100 << 20
	if err := h.renew(ctx, h.l.serve); err != nil {
		return nil, err
	}
	client, err := peakOf(ctx, h.far.once(h.l, source)...)
	if err != nil {
		return nil, err
	}
	server, err := used(h.far.command.Process.Pid)
	if err != nil {
		return nil, err
	}
	return []line{atMost("most resident, client", client, most), atMost("most resident, server", server.most, most)}, nil
}

// pushes returns a measurement of first pushes of a source, each to a file system that was just made.
func pushes(name string, g goals) func(context.Context, *lab) ([]line, error) {
	return func(ctx context.Context, l *lab) ([]line, error) {
		p, err := l.pair(ctx, name)
		if err != nil {
			return nil, err
		}
		h, r := freshHost(l)
		defer r.empty()
		defer h.stop()
		times, err := l.contest(ctx, l.rounds, p.warm(ctx),
			h.lockstep(p.source),
			h.program(rsyncFar, l.daemon, func(url string) []string { return []string{"rsync", "-a", p.source + "/", url} }),
			h.program(rsyncFarSynced, l.daemon, func(url string) []string {
				return []string{"sh", "-c", `rsync -a "$0" "$1" && sync -f "$2"`, p.source + "/", url, r.to()}
			}),
			h.program(rsyncFarSSH, l.sshd, func(url string) []string {
				return []string{"rsync", "-a", "-e", h.far.ssh, p.source + "/", url}
			}),
			h.lockstepUnsynced(p.source),
		)
		if err != nil {
			return nil, err
		}
		memory, err := h.memory(ctx, p.source)
		if err != nil {
			return nil, err
		}
		synced, unsynced := times[:4], times[4]
		equal := target{limit: g[rsyncFar], part: 0.5}.against(unsynced, times[1])
		equal.ours += ", " + unsynced.name
		return append(append(g.lines(synced, 0.5), equal), memory...), silently(ctx, "diff", "-rq", "--no-dereference", p.source, r.to())
	}
}

// unchangedFar measures passes over trees that are equal, one of which is with a server.
func unchangedFar(ctx context.Context, l *lab) ([]line, error) {
	p, err := l.pair(ctx, pairT1)
	if err != nil {
		return nil, err
	}
	h := &host{l: l, place: func(context.Context) (string, error) { return p.replica, nil }}
	defer h.stop()
	times, err := l.contest(ctx, l.rounds, p.warm(ctx),
		h.lockstep(p.source),
		h.program(rsyncFarCompared, l.daemon, func(url string) []string { return []string{"rsync", "-ac", p.source + "/", url} }),
	)
	if err != nil {
		return nil, err
	}
	memory, err := h.memory(ctx, p.source)
	return append(goals{rsyncFarCompared: 0.7}.lines(times, 0.5), memory...), err
}

// overTLS is lockstep that mirrors to a server.
func overTLS() watcher {
	return watcher{"lockstep over TLS", func(ctx context.Context, l *lab, p *pair) (*service, error) {
		f, err := l.serve(ctx, p.replica)
		if err != nil {
			return nil, err
		}
		s := l.service("lockstep")
		s.beside = f.service
		command := f.lockstep(l, "--interval", "1h", "--quiet", "--log-file", s.log, p.source, f.url)
		return s, s.start(ctx, `"event":"pass_done"`, command[0], command[1:]...)
	}}
}

// latencyFar holds changes that go to a server against changes that stay here.
func latencyFar(ctx context.Context, l *lab) ([]line, error) {
	const more = 5 * time.Millisecond
	p, err := l.pair(ctx, pairT1)
	if err != nil {
		return nil, err
	}
	times, err := latencies(ctx, l, p, overTLS(), lockstepWith())
	if err != nil {
		return nil, err
	}
	far, here := times[0].quantile(0.5), times[1].quantile(0.5)
	return []line{{
		ours: "p50 " + short(far), peer: "to a folder here", theirs: "p50 " + short(here),
		target: "≤ " + short(here+more), verdict: holds(far <= here+more),
	}}, nil
}
