// Package store keeps what gen remembers between two invocations: the
// compiled snapshot and one record per run, in bbolt files of a state
// directory.
//
// Begin with [Open], which costs nothing, then [State.LoadSnapshot] and
// [State.SaveSnapshot] for the snapshot, [State.OpenRun] for the record of a
// run, [State.Runs] to list the records.
//
// # State directory
//
//	DIR/snapshot.db              one core.Snapshot
//	DIR/runs/NAME-HASH.db        one core.Run; HASH is the first 12 hexadecimal
//	                             digits of SHA-256(target, NUL, run name), or,
//	                             of a shard, (target, NUL, run name, NUL, shard)
//	DIR/.snapshot.db-*.tmp       a write that has not finished; never read
//
// Nothing is created before something is written. A file appears under its
// name complete and synced, and its directory is synced after it.
//
// # Locks
//
// An open [RunFile] holds bbolt's exclusive lock, an flock(2) on the file, so
// two processes, or two State values of one process, never hold one run. A
// snapshot is locked (shared) only while it is loaded. Whoever finds a lock
// taken waits one second and then gets ErrLocked.
//
// # Packed value
//
// Each file is a bbolt database with one bucket "gen", in it one key "value",
// and its value is packed as follows; integers are little-endian. The head and
// the checksum keep their places in every version, so that an older program
// can tell a newer file from a damaged one.
//
//	offset  size  field
//	0       8     magic, "gen pack"
//	8       4     version of this table, 1
//	12      4     kind: 1 snapshot, 2 run, 3 shard of a run
//	16      4     number of parts
//	20      4     length of part 0
//	24      ...   part 0, then length and bytes of part 1, ...
//	end-4   4     CRC-32C (Castagnoli) of every byte before
//
// The parts of a snapshot:
//
//	part  field
//	0     Snapshot.ID: 64 hexadecimal digits
//	1     core.Recipe as JSON; its "format" is the version of the sequence
//	2     titles in order of movieId: number (uint32), then length (uint32)
//	      and bytes of each
//	3     Snapshot.Bytes: the canonical bytes, whose SHA-256 is part 0
//
// The parts of a run:
//
//	part  field
//	0     target
//	1     name
//	2     core.Run as JSON; empty until the first Save
//	3     of a shard of a run only: the shard, as 0-of-3
//
// # Why
//
// One value and not thousands of keys: it loads in a few milliseconds and one
// checksum covers it. bbolt has none over its pages, so a flipped byte in a
// value goes unnoticed.
//
// Three more things bbolt does not do are done here before it maps a file. It
// makes an empty database of a file of 0 bytes. It reads past the end of a
// truncated one, which is a SIGBUS that ends the process. It follows a
// flipped length, page number or free list wherever it points. So under the
// lock the page tree is checked first: both meta pages, and that each page
// below the high-water mark is used exactly once or free.
//
// bbolt goes back to the older meta page when the newer one is damaged: a
// cursor would silently be the last but one. A meta page is 80 bytes in one
// sector, so an interrupted write does not tear it, and a damaged one is
// ErrCorrupt here. Refused for the same reason: NoFreelistSync, whose scan of
// the pages panics in a goroutine of its own, where nobody can recover.
//
// A new run's file is published by link(2), not by rename: a rename would
// replace the file that another process has created and locked in between, and
// both would hold the run.
//
// # Caveats
//
// The state directory must lie on a file system with flock, hard links and
// shared memory maps: a local one. Linux, macOS and the BSDs; not Windows. The
// locks are advisory: a program that truncates or overwrites a file in use is
// noticed (ErrCorrupt), not kept out. bbolt writes its pages in the byte order
// of the machine.
package store
