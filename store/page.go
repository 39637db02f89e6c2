package store

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"math/bits"
)

// bbolt's file layout, go.etcd.io/bbolt v1.5.0 internal/common: page.go,
// meta.go, bucket.go; integers are in the machine's byte order.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeader   = 16 // id uint64, flags uint16, count uint16, overflow uint32
	leafElement  = 16 // flags, pos, ksize, vsize uint32; pos counts from the element
	metaSize     = 64
	bucketHeader = 16 // root page uint64, sequence uint64; root 0: the page follows

	leafPage     = 0x02
	freelistPage = 0x10
	bucketFlag   = 0x01

	bucketName = "gen"
	valueKey   = "value"
)

var ne = binary.NativeEndian

// span is a range of bytes in a file.
type span struct{ off, size int64 }

// meta is what a meta page says.
type meta struct {
	pageSize  int64
	root      uint64 // page of the root bucket
	freelist  uint64 // page of the free list
	highWater uint64 // the first page that was never used
	txid      uint64
}

// locate checks a bbolt file that holds one bucket and one key, and returns
// where its value lies. It returns ErrCorrupt unless bbolt can map and change
// the file without leaving it: both meta pages are sound, the file reaches to
// the high-water mark, each page below it is used once or free, and every
// length fits its page. It reads the pages' heads only, not the value.
func locate(f io.ReaderAt, size int64) (span, error) {
	if size == 0 {
		return span{}, corrupt("0 bytes long")
	}
	m, err := newestMeta(f, size)
	if err != nil {
		return span{}, err
	}
	t := tree{f: f, pageSize: m.pageSize, used: make([]bool, m.highWater)}
	t.used[0], t.used[1] = true, true
	if err := t.claimFreelist(m.freelist); err != nil {
		return span{}, err
	}
	value, err := t.value(m.root)
	if err != nil {
		return span{}, err
	}
	for id, used := range t.used {
		if !used {
			return span{}, corrupt("page %d is neither used nor free", id)
		}
	}
	return value, nil
}

// newestMeta returns the meta page of the last transaction. bbolt writes
// transaction n to meta page n mod 2, so that the two are neighbours.
func newestMeta(f io.ReaderAt, size int64) (meta, error) {
	a, err := readMeta(f, 0)
	if err != nil {
		return meta{}, err
	}
	if bits.OnesCount64(uint64(a.pageSize)) != 1 || a.pageSize < 1024 {
		return meta{}, corrupt("page size %d", a.pageSize)
	}
	b, err := readMeta(f, a.pageSize)
	if err != nil {
		return meta{}, err
	}
	if a.pageSize != b.pageSize || a.txid%2 != 0 || a.txid+1 != b.txid && b.txid+1 != a.txid {
		return meta{}, corrupt("meta pages of transactions %d and %d", a.txid, b.txid)
	}
	if b.txid > a.txid {
		a = b
	}
	if a.highWater < 2 || a.highWater > uint64(size/a.pageSize) {
		return meta{}, corrupt("truncated: %d bytes, %d pages of %d are in use", size, a.highWater, a.pageSize)
	}
	return a, nil
}

func readMeta(f io.ReaderAt, page int64) (meta, error) {
	b := make([]byte, metaSize)
	if err := readFull(f, b, page+pageHeader); err != nil {
		return meta{}, err
	}
	if ne.Uint32(b) != boltMagic || ne.Uint32(b[4:]) != boltVersion {
		return meta{}, corrupt("not a bbolt file")
	}
	h := fnv.New64a()
	h.Write(b[:56])
	if ne.Uint64(b[56:]) != h.Sum64() {
		return meta{}, corrupt("checksum of the meta page at byte %d differs", page)
	}
	return meta{int64(ne.Uint32(b[8:])), ne.Uint64(b[16:]), ne.Uint64(b[32:]), ne.Uint64(b[40:]), ne.Uint64(b[48:])}, nil
}

// tree is a walk over the pages of a file.
type tree struct {
	f        io.ReaderAt
	pageSize int64
	used     []bool // by page below the high-water mark
}

func (t *tree) claim(id uint64) error {
	if id >= uint64(len(t.used)) {
		return corrupt("page %d is beyond the last, %d", id, len(t.used)-1)
	}
	if t.used[id] {
		return corrupt("page %d is used twice", id)
	}
	t.used[id] = true
	return nil
}

// claimPages marks the page id and those it overflows into. It returns its
// bytes in the file and the count in its head.
func (t *tree) claimPages(id uint64, flags uint16) (span, uint16, error) {
	if id >= uint64(len(t.used)) {
		return span{}, 0, t.claim(id)
	}
	at := int64(id) * t.pageSize
	var b [pageHeader]byte
	if err := readFull(t.f, b[:], at); err != nil {
		return span{}, 0, err
	}
	if ne.Uint64(b[:]) != id || ne.Uint16(b[8:]) != flags {
		return span{}, 0, corrupt("page %d says that it is page %d with flags %#x", id, ne.Uint64(b[:]), ne.Uint16(b[8:]))
	}
	pages := uint64(ne.Uint32(b[12:])) + 1
	for i := range pages {
		if err := t.claim(id + i); err != nil {
			return span{}, 0, err
		}
	}
	return span{at, int64(pages) * t.pageSize}, ne.Uint16(b[10:]), nil
}

// claimFreelist marks the pages of the free list and those that it names.
func (t *tree) claimFreelist(id uint64) error {
	page, count, err := t.claimPages(id, freelistPage)
	if err != nil {
		return err
	}
	ids := make([]byte, page.size-pageHeader)
	if err := readFull(t.f, ids, page.off+pageHeader); err != nil {
		return err
	}
	n := uint64(count)
	if count == 0xFFFF { // the number stands in the first place
		n, ids = ne.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return corrupt("free list of %d pages does not fit its page", n)
	}
	for i := range n {
		if err := t.claim(ne.Uint64(ids[8*i:])); err != nil {
			return err
		}
	}
	return nil
}

// value walks from the root bucket's page to the one value. One key never
// fills a branch page, so every page on the way is a leaf.
func (t *tree) value(root uint64) (span, error) {
	page, _, err := t.claimPages(root, leafPage)
	if err != nil {
		return span{}, err
	}
	bucket, err := t.only(page, bucketName, bucketFlag)
	if err != nil {
		return span{}, err
	}
	var b [bucketHeader]byte
	if bucket.size < bucketHeader {
		return span{}, corrupt("bucket of %d bytes", bucket.size)
	}
	if err := readFull(t.f, b[:], bucket.off); err != nil {
		return span{}, err
	}
	if id := ne.Uint64(b[:]); id != 0 {
		page, _, err = t.claimPages(id, leafPage)
	} else {
		page = span{bucket.off + bucketHeader, bucket.size - bucketHeader}
	}
	if err != nil {
		return span{}, err
	}
	return t.only(page, valueKey, 0)
}

// only returns the value of the one element of a leaf page.
func (t *tree) only(page span, key string, flags uint32) (span, error) {
	b := make([]byte, pageHeader+leafElement+len(key))
	if int64(len(b)) > page.size {
		return span{}, corrupt("leaf page of %d bytes", page.size)
	}
	if err := readFull(t.f, b, page.off); err != nil {
		return span{}, err
	}
	if ne.Uint16(b[8:]) != leafPage || ne.Uint16(b[10:]) != 1 {
		return span{}, corrupt("leaf page at byte %d has flags %#x and %d elements", page.off, ne.Uint16(b[8:]), ne.Uint16(b[10:]))
	}
	e := b[pageHeader:]
	if ne.Uint32(e) != flags || ne.Uint32(e[4:]) != leafElement || ne.Uint32(e[8:]) != uint32(len(key)) || string(e[leafElement:]) != key {
		return span{}, corrupt("leaf page at byte %d does not hold the key %q", page.off, key)
	}
	size := int64(ne.Uint32(e[12:]))
	if size > page.size-int64(len(b)) {
		return span{}, corrupt("value of %d bytes does not fit its page", size)
	}
	return span{page.off + int64(len(b)), size}, nil
}

// readFull fills b from offset off; the file's end is ErrCorrupt.
func readFull(f io.ReaderAt, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return corrupt("truncated: it ends within the %d bytes at byte %d", len(b), off)
	}
	return err
}
