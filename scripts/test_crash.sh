#!/usr/bin/env bash
# Kills gen at random moments while it writes into a directory, runs it again
# until it ends, and compares the directory with one that nobody disturbed,
# byte for byte. Then the same for a disk that is full. KILLS=50 by default.
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${KILLS:-50}
work=$(mktemp -d)
cleanup() {
  mountpoint -q "$work/small" && umount "$work/small"
  rm -rf "$work"
}
trap cleanup EXIT
go build -o "$work/gen" ./cmd/gen
cd "$work"

# crash NAME KILLS GEN-ARGUMENTS: kills until KILLS are reached, however often
# the run must begin anew for that.
crash() {
  local name=$1 wanted=$2 killed=0 rounds=1
  shift 2
  ./gen "$@" --quiet --state want-state --to "want-$name"
  while ((killed < wanted)); do
    ./gen "$@" --quiet --to "$name" &
    local pid=$!
    sleep "$(printf '0.%03d' $((RANDOM % 250)))"
    if kill -9 "$pid" 2>/dev/null; then killed=$((killed + 1)); fi
    wait "$pid" 2>/dev/null || true
    # Once at half time the state directory is lost too.
    if ((killed == wanted / 2)); then rm -rf gen-state; fi
    if [[ -e $name/_SUCCESS ]]; then
      diff -r "want-$name" "$name"
      rm -rf "$name" gen-state
      rounds=$((rounds + 1))
    fi
  done
  ./gen "$@" --quiet --to "$name"
  diff -r "want-$name" "$name"
  ./gen verify --quiet "$name" >/dev/null
  echo "ok: $name: $killed kills, $rounds runs: equal to an undisturbed one"
}

crash dump "$kills" dump --count 8000000 --segment 100000
crash dump-parquet $((kills / 5)) dump --count 4000000 --segment 100000 --format parquet --compress zstd
crash stream "$kills" stream --count 3000000 --speed 60000
crash stream-max $((kills / 5)) stream --count 8000000 --speed max --segment 30m --format csv --compress gzip

# The comparison must be able to fail.
cp -r want-dump broken
printf x | dd of=broken/part-0000000003.jsonl bs=1 seek=5000 conv=notrunc status=none
if diff -r want-dump broken >/dev/null; then
  echo "a changed byte was not found" >&2
  exit 1
fi
if ./gen verify --quiet broken >/dev/null; then
  echo "verify did not find a changed byte" >&2
  exit 1
fi
echo "ok: control: a changed byte is found by diff and by verify"

# A full disk: a clear error, whole segments only, and the same command goes on.
mkdir small
mount -t tmpfs -o size=20m none small || { echo "cannot mount a small tmpfs: run this as root" >&2; exit 1; }
code=0
./gen dump --count 1000000 --segment 100000 --to small/out --workers 2 2>full.err || code=$?
((code == 1)) || { echo "exit status $code on a full disk, want 1" >&2; cat full.err >&2; exit 1; }
grep -q 'no space left on device' full.err
grep -q 'hint: events 0 to [0-9]* are published' full.err
if compgen -G 'small/out/.*.tmp' >/dev/null; then echo "a temporary file was left behind" >&2; exit 1; fi
./gen verify --quiet small/out >/dev/null
[[ ! -e small/out/_SUCCESS ]]
mount -o remount,size=200m small
./gen dump --quiet --count 1000000 --segment 100000 --to small/out --workers 2
./gen dump --quiet --count 1000000 --segment 100000 --to want-full
diff -r want-full small/out
echo "ok: a full disk: $(grep -o 'events 0 to [0-9]* are published' full.err), then complete"
