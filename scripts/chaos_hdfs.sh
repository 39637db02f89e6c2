#!/usr/bin/env bash
# chaos_hdfs.sh is the long form of test_hdfs.sh, of about 20 minutes: 50 kills of
# gen, 10 restarts each of the DataNode and of the NameNode while it writes, a
# failover of two NameNodes, a lock that outlives its owner, a disk that is full,
# and 20,000,000 events that Spark reads, beside `hadoop fs -put`. KILLS, RESTARTS
# and ROUNDS make it shorter. The full disk wants root, for a mount.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/hdfs/suite.sh"
python=$("$here/venv.sh")
kills=${KILLS:-50} restarts=${RESTARTS:-10} rounds=${ROUNDS:-5}
begin 1

crash dump $((kills * 3 / 5)) dump --count 6000000 --segment 100000
crash parquet $((kills / 5)) dump --count 6000000 --segment 100000 --format parquet --compress zstd
crash stream $((kills / 5)) stream --count 2000000 --speed 20000 --segment 5m
write=(stream --count 600000 --speed 3000 --segment 60s)
disturb restarts datanode "$restarts" "${write[@]}"
disturb restarts namenode "$restarts" "${write[@]}"

# The lock of a process that was killed: not ours at once, and ours by itself.
./gen stream --speed 1 --segment 1s --to "$address/lock" --quiet &
pid=$!
until hdfs tool fs -test -e "$address/lock/_gen.json"; do :; done
refused 1 'another process writes into it: .*, run seed-42' ./gen stream --count 1 --to "$address/lock" --state other --run seed-42 --quiet
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
begun=$SECONDS
until ./gen stream --count 5000 --speed max --to "$address/lock" --state other --quiet 2>locked; do
	grep -q 'another process writes' locked || fail "$(cat locked)"
	((SECONDS - begun < 120)) || fail "a lock that nobody holds is still there after two minutes"
	sleep 1
done
./gen verify "$address/lock" >/dev/null || fail "another owner did not go on rightly"
ok "the lock of a killed gen kept another state directory out for $((SECONDS - begun)) s"

# 20,000,000 events, read by Spark.
./gen dump --count 20000000 --to "$address/big" --format parquet --quiet
./gen dump --count 20000000 --to big --format parquet --quiet
same big big
for table in users movies model; do ./gen export $table >$table.csv; done
"$python" "$here/reference.py" --users users.csv --movies movies.csv --model model.csv --count 20000000 --summary >expected.json
timeout 900 "$python" "$here/read_back.py" "$address/big" parquet expected.json --readers spark >read.json || fail "Spark reads something else"
! timeout 900 "$python" "$here/read_back.py" "$address/big" parquet '{"count": 19999999}' --readers spark >/dev/null 2>&1 ||
	fail "read_back.py accepts a wrong count"
ok "Spark reads 20,000,000 events in Parquet, as reference.py computes them: $(cat read.json)"

# The same events by gen, and their finished files by Hadoop, in turns.
seconds() {
	local from=$EPOCHREALTIME
	"$@" >/dev/null 2>>hdfs.log || fail "$*: $(tail -n 3 hdfs.log)"
	awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", b - a }'
}
median() { sort -n "$1" | awk '{ t[NR] = $1 } END { printf "%.2f s, %.2f M events/s", t[int((NR + 1) / 2)], 20 / t[int((NR + 1) / 2)] }'; }
for format in parquet jsonl; do
	rm -rf big "$format".*
	./gen dump --count 20000000 --to big --format $format --quiet
	for ((i = 0; i < rounds; i++)); do
		hdfs tool fs -rm -r -f -skipTrash "$address/turn" >/dev/null
		seconds ./gen dump --count 20000000 --to "$address/turn" --format $format --quiet >>$format.gen
		for threads in 1 2; do
			hdfs tool fs -rm -r -f -skipTrash "$address/turn" >/dev/null
			seconds hdfs tool fs -put -t $threads big "$address/turn" >>$format.put$threads
		done
		rm -rf gen-state && ./gen snapshot --quiet >/dev/null
	done
	ok "20,000,000 events in $format, medians of $rounds: gen dump $(median $format.gen); hadoop fs -put of the files $(median $format.put1), with two threads $(median $format.put2)"
	hdfs tool fs -rm -r -f -skipTrash "$address/turn" >/dev/null
done

# Two NameNodes: the active one dies, the other is made active, gen goes on.
begin 2
./gen stream --count 1500 --segment 1s --state ha --to hdfs://gen/live --quiet 2>errors &
pid=$!
until hdfs tool fs -test -e hdfs://gen/live/part-0000000003.jsonl; do :; done
hdfs kill namenode
hdfs tool haadmin -transitionToActive --forceactive nn2
wait "$pid" || fail "gen ended in a failover: $(cat errors)"
./gen stream --count 1500 --segment 1s --speed max --to want-live --quiet
same live want-live
ok "a failover of two NameNodes: gen went on, and its directory is equal to an undisturbed one"

# A disk that is full.
hdfs stop
rm -rf hdfs
mkdir -p hdfs/datanode/data
mount -t tmpfs -o size=60m none hdfs/datanode/data || fail "cannot mount a small tmpfs: run this as root"
unmount() {
	hdfs stop || true
	umount "$work/hdfs/datanode/data"
	cleanup
}
trap unmount EXIT
address=$(hdfs start --block-size 1m) || fail "no HDFS: $(cat hdfs.log)"
small=(dump --count 1000000 --segment 100000)
refused 1 'could only be written to 0\|Ack error\|ended the connection' ./gen "${small[@]}" --state full --to "$address/full" --quiet
grep -q 'hint: .*goes on at event [0-9]' refused || fail "no hint: $(cat refused)"
./gen verify "$address/full" >verified || fail "$(cat verified)"
leftovers=$(hdfs tool fs -ls "$address/full" | grep '/\.\|_SUCCESS\|_gen.lock' || true)
[[ -z $leftovers ]] || fail "left behind on a full disk: $leftovers"
mount -o remount,size=400m hdfs/datanode/data
until ./gen "${small[@]}" --state full --to "$address/full" --quiet 2>refused; do
	grep -q 'hint: is a DataNode up' refused || fail "$(cat refused)" # it has not looked at its disk yet
done
./gen "${small[@]}" --to want-full --quiet
same full want-full
ok "a full disk: $(sed -n 2p verified | cut -d, -f1) were whole, then complete"
