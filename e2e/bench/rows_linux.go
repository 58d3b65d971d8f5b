package main

import "context"

// row is a piece of work to measure.
type row struct {
	name, work string
	measure    func(context.Context, *lab) ([]line, error)
}

func rowNames() []string {
	var names []string
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return names
}

// rows are in such an order that each tree is made once; what changes a tree comes after what only reads it.
func rows() []row {
	const (
		pass               = "pass, nothing changed, content and every attribute"
		copy               = "first copy into an empty replica, "
		late               = "close of a write until equal bytes, one file, "
		late0, lateDefault = late + "--debounce 0 --durability none", late + "defaults"
		push               = "first push to a server over TLS"
		part               = "16 KiB changed in a file of 1 GiB, until equal, "
	)
	none := []string{"--durability", "none"}
	return []row{
		{"pass-t2", pass + " (T2)", passes(pairT2, 1, goals{"diff -rq": 0.6, "rsync -aHAXc": 0, "rsync -ac": 0})},
		{"copy-none-t2", copy + "--durability none (T2)", copies(copying{
			pair: pairT2, to: ext4Memory, flags: none, goals: goals{copyAll: 0.8, rsyncAll: 0}})},
		{"push-t2", push + " (T2)", pushes(pairT2, goals{rsyncFar: 1})},

		{"pass-t3", pass + " (T3)", passes(pairT3, 1, goals{"rsync -ac": 0.8, "diff -rq": 0})},
		{"copy-none-t3", copy + "--durability none (T3)", copies(copying{
			pair: pairT3, to: tmpfs, flags: none, goals: goals{copyAll: 1.05}, minima: true})},
		{"push-large", push + " (a file of T3)", pushes(pairLarge, goals{rsyncFar: 1.2})},

		{"pass-t4", pass + " (T4)", passes(pairT4, 0.6, goals{"rsync -ac": 0.9})},
		{"watch-t4", "time to watch, and memory (T4)", watchMany},

		{"pass-t1", pass + " (T1)", passes(pairT1, 1, goals{
			"rsync -aHAXc": 0.6, "rsync -ac": 0.7, "diff -rq": 0, "rclone sync --checksum": 0})},
		{"cached-t1", "pass with --compare cached, nothing changed (T1)", cached},
		{"copy-none-t1", copy + "--durability none (T1)", copies(copying{
			pair: pairT1, to: ext4Memory, flags: none, goals: goals{copyAll: 0.8, rsyncAll: 0, rcloneAll: 0}})},
		{"copy-auto-t1", copy + "default durability (T1, in memory)", copies(copying{
			pair: pairT1, to: ext4Memory, goals: goals{copySynced: 1}})},
		{"copy-auto-disk-t1", copy + "default durability (T1, on a disk)", copies(copying{
			pair: pairT1, to: ext4Disk, goals: goals{copySynced: 1}})},
		{"push-t1", push + " (T1)", pushes(pairT1, goals{rsyncFar: 1})},
		{"unchanged-far-t1", pass + ", with a server over TLS (T1)", unchangedFar},
		{"idle-t1", "idle, watched (T1)", idle},
		{"latency-fast", late0 + " (T1)", latencyFast},
		{"latency-far", lateDefault + ", with a server over TLS (T1)", latencyFar},
		{"latency-default", lateDefault + " (T1, on a disk)", latencyDefault},

		{"push-distant", push + ", 10,000 files, a round trip of 50ms away (a tenth of T1)", pushDistant},
		{"burst", "10,000 files created at once while watching, until equal, from the last close", burst},
		{"rename", "rename of a folder with 1 GiB in 10,000 files, until equal", renameFolder},
		{"change-clone", part + "on xfs, which can clone", changes(xfsMemory)},
		{"change-copy", part + "on ext4, which cannot clone", changes(ext4Memory)},
	}
}
