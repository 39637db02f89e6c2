#!/usr/bin/env bash
# test_hdfs.sh runs gen against a real HDFS, a NameNode and a DataNode: the suite
# of every directory, the same files as on the local disk, a catalogue that Spark
# wrote, kills and restarts while gen writes, and what can be wrong. The long form
# is chaos_hdfs.sh. KILLS=6 by default.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/hdfs/suite.sh"
python=$("$here/venv.sh")
begin 1

(cd "$here/.." && GEN_HDFS=$address go test -count=1 -race -tags hdfs ./emit/files -rapid.checks=5) >suite || fail "$(cat suite)"
ok "the suite of directories: $(cat suite)"

# The same bytes, whatever the format, and every command that reads.
for format in jsonl csv parquet; do
	dump=(dump --count 300000 --segment 70000 --format "$format" --quiet)
	./gen "${dump[@]}" --to "local-$format"
	./gen "${dump[@]}" --to "$address/data/$format" --block-size 1m --replication 1
	same "data/$format" "local-$format"
	./gen verify "$address/data/$format" >verified || fail "$(cat verified)"
	./gen diff "local-$format" "$address/data/$format" >/dev/null || fail "diff finds a difference in $format"
done
for i in 0 1 2; do ./gen dump --count 3000000 --segment 50000 --quiet --to "$address/data/shards" --shard $i/3 & done
wait
./gen dump --count 3000000 --segment 50000 --quiet --to local-shards
same data/shards local-shards
ok "three shards at a time make the same directory in HDFS"
./gen inspect --last 1 "$address/data/csv" | grep -qE 'state +finished, events 0 to 299999' || fail "inspect does not see the end"
./gen export movies --to "$address/data/movies.csv" --quiet
./gen export movies >movies.csv
hdfs tool fs -cat "$address/data/movies.csv" | cmp - movies.csv || fail "the exported table is another"
./gen stream --count 200 --speed 100 --segment 1s --to "$address/data/stream" --quiet
./gen stream --count 200 --speed 100 --segment 1s --to local-stream --quiet
same data/stream local-stream
ok "dump, stream and export write the same files into HDFS; verify, diff and inspect read them"
hdfs tool fs -rm -skipTrash "$address/data/csv/part-0000000001.csv" >/dev/null
hdfs tool fs -put local-csv/part-0000000002.csv "$address/data/csv/part-0000000001.csv"
code=0
./gen verify "$address/data/csv" >verified || code=$?
((code == 4)) && grep -q missing verified || fail "a wrong segment is not found: $(cat verified)"
ok "control: a wrong segment is found"

# The platform's own input: the same snapshot as from local files.
"$python" "$here/spark_catalogue.py" movies.csv "$address/data/content_features" >catalogue.json
hdfs tool fs -get "$address/data/content_features" features
genres=$address/data/content_features/genres_metadata
./gen snapshot --state hdfs-state --json --movies "$address/data/content_features/movies_features" --genres "$genres" >hdfs.json
./gen snapshot --state parquet-state --json --movies features/movies_features --genres features/genres_metadata >parquet.json
./gen snapshot --state csv-state --json --movies movies.csv --genres "$genres" >csv.json
sums=$(grep -h '"snapshot"' hdfs.json parquet.json csv.json | sort -u)
(($(wc -l <<<"$sums") == 1)) || fail "other snapshots: $sums"
./gen check --state hdfs-state --movies "$address/data/content_features/movies_features" --genres "$genres" --to "$address/data/new" >checked ||
	fail "gen check: exit status $?: $(cat checked)"
grep -q "$address/data/new will be made" checked || fail "gen check does not look at the directory: $(cat checked)"
grep -q 'ok *disk *writable' checked || fail "gen check does not try to write: $(cat checked)"
hdfs tool fs -ls "$address/data" >listed
! grep check listed || fail "gen check leaves something behind"
ok "what Spark wrote into HDFS ($(cat catalogue.json)) gives the snapshot of the local Parquet and CSV files:$sums"

crash dump "${KILLS:-6}" dump --count 6000000 --segment 100000
write=(stream --count 600000 --speed 3000 --segment 60s)
disturb restarts datanode 1 "${write[@]}"
disturb restarts namenode 1 "${write[@]}"

# What can be wrong.
features=$address/data/content_features
alice=(env HADOOP_USER_NAME=alice)
refused 1 'lookup nowhere.invalid' ./gen snapshot --movies hdfs://nowhere.invalid/x
refused 1 'connection refused' ./gen snapshot --movies hdfs://127.0.0.1:1/x
refused 2 'no fs.defaultFS does' env HADOOP_CONF_DIR= ./gen snapshot --movies hdfs:///x
refused 1 'file does not exist' ./gen snapshot --movies "$address/content_features/movies_features"
grep -q 'hint: run phase 4 of the pipeline first' refused || fail "no hint at phase 4: $(cat refused)"
refused 1 'no such directory' ./gen verify "$address/nothing"
refused 1 'file does not exist' ./gen diff "$address/nothing" local-csv
hdfs tool fs -mkdir -p "$address/empty" "$address/private" "$address/quota" "$address/part/_temporary"
refused 1 'it is empty' ./gen snapshot --movies "$address/empty"
hdfs tool fs -cp "$features/movies_features/part-*" "$address/part"
refused 1 'holds _temporary and no _SUCCESS' ./gen snapshot --movies "$address/part"
refused 1 'no column movieId' ./gen snapshot --movies "$features/genres_metadata"
mkdir broken
for part in features/movies_features/part-*.parquet; do head -c 20000 "$part" >"broken/${part##*/}"; done
hdfs tool fs -put broken "$address/"
refused 1 'truncated Parquet' ./gen snapshot --movies "$address/broken"
hdfs tool fs -touchz "$address/file"
refused 1 'is a file: a directory is wanted' ./gen dump --quiet --count 10 --to "$address/file"
refused 1 'is not a directory' ./gen dump --quiet --count 10 --to "$address/file/below"
hdfs tool fs -chmod 700 "$address/private"
refused 1 'permission denied for user alice' "${alice[@]}" ./gen dump --quiet --count 10 --to "$address/private/x"
refused 1 'permission denied for user alice' "${alice[@]}" ./gen dump --quiet --count 10 --to "$address/new"
refused 1 'permission denied for user alice' "${alice[@]}" ./gen snapshot --movies "$address/private"
code=0
"${alice[@]}" ./gen check --to "$address/new" >checked || code=$?
((code == 4)) && grep -q 'WRONG *disk .*permission denied for user alice' checked || fail "gen check, exit status $code, does not see that alice may not write: $(cat checked)"
hdfs tool dfsadmin -setSpaceQuota 1m "$address/quota"
refused 1 'quota of /quota is exceeded' ./gen dump --quiet --count 10 --to "$address/quota"
[[ -z $(hdfs tool fs -ls "$address/quota") ]] || fail "something was left behind: $(hdfs tool fs -ls "$address/quota")"
hdfs tool dfsadmin -safemode enter >/dev/null
refused 1 'safe mode' ./gen dump --quiet --count 10 --to "$address/safe"
./gen verify "$address/data/parquet" >/dev/null || fail "what is there cannot be read in safe mode"
hdfs tool dfsadmin -safemode leave >/dev/null
hdfs kill datanode
refused 1 'connection refused\|could only be written to 0' ./gen dump --quiet --count 10 --to "$address/down"
refused 1 'no available datanodes\|connection refused' ./gen verify "$address/data/parquet"
hdfs restart >/dev/null
./gen dump --count 10 --to "$address/down" --quiet || fail "the DataNode is back, and gen does not go on: exit status $?"
