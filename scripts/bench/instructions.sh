#!/usr/bin/env bash
# instructions.sh prints how many instructions an event takes gen dump and gen verify
# with one worker, by valgrind's cachegrind: a figure that a busy machine does not
# move, to compare two builds by. What the start takes is subtracted: it is the
# difference of two runs. It holds for one version of Go and the processor that
# valgrind plays, which has no instructions for SHA-256. The collector and a second
# processor, which depend on time, are off.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v valgrind >/dev/null || {
	echo "instructions.sh: valgrind is not installed" >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$here/../.." && go build -o "$work/gen" ./cmd/gen)
cd "$work"
./gen snapshot --quiet >/dev/null

# instructions NAME COUNT prints those of the whole process.
instructions() {
	local command
	case $1 in
	verify-*)
		./gen dump --quiet --format "${1#*-}" --count "$2" --to out
		command=(verify --quiet out)
		;;
	parquet) command=(dump --quiet --workers 1 --format "$1" --count "$2" --to out) ;;
	*) command=(dump --quiet --workers 1 --format "$1" --count "$2") ;;
	esac
	GOMAXPROCS=1 GOGC=off valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null \
		./gen "${command[@]}" 2>said >/dev/null || {
		cat said >&2
		return 1
	}
	rm -rf out
	sed -n 's/.*I *refs: *//p' said | tr -d ,
}

few=100000 many=500000
for name in jsonl csv parquet verify-jsonl verify-parquet; do
	less=$(instructions $name $few)
	more=$(instructions $name $many)
	printf '%-16s %8.1f instructions/event\n' $name "$(((more - less) * 10 / (many - few)))e-1"
done
