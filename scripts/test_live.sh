#!/usr/bin/env bash
# test_live.sh loads the live page of a stream in headless Chromium, compares what
# it shows with /metrics, and takes screenshots in light and dark, wide and on a
# phone (SHOTS=DIR keeps them). Debian's chromium and chromium-driver are
# installed when they are missing and this is root.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
pids=()
cleanup() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	rm -rf "$work"
}
trap cleanup EXIT
fail() {
	echo "test_live.sh: $*" >&2
	exit 1
}

if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
	[[ $EUID == 0 && -x /usr/bin/apt-get ]] ||
		fail "chromium and chromedriver are not installed; they are Debian's chromium and chromium-driver"
	echo "installing chromium and chromium-driver"
	(apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium chromium-driver) \
		>"$work/apt" 2>&1 || fail "apt-get could not install chromium: $(tail -n 5 "$work/apt")"
fi

(cd "$here/.." && go build -o "$work/gen" ./cmd/gen)
cd "$work"
# await WHAT FILE PATTERN prints the first match in a file that is being written.
await() {
	for _ in {1..300}; do
		if grep -m 1 -o "$3" "$2" 2>/dev/null; then return; fi
		sleep 0.1
	done
	fail "no $1 within 30 s: $(tail -n 5 "$2")"
}

printf '10s 200\n20s 200..800\n1h 800\n' >stages
./gen stream --load stages --http 127.0.0.1:0 >/dev/null 2>gen.log &
pids+=($!)
chromedriver --port=0 >driver.log 2>&1 &
pids+=($!)
url=$(await "live page" gen.log 'http://127.0.0.1:[0-9]*/')
driver=$(await "chromedriver" driver.log 'successfully on port [0-9]*')
mkdir -p "${SHOTS:=$work/shots}"
python3 "$here/live_page.py" "$url" --driver "http://127.0.0.1:${driver##* }" --shots "$SHOTS"
for shot in light-wide light-phone dark-wide dark-phone; do
	[[ -s $SHOTS/$shot.png ]] || fail "no screenshot $shot.png"
done

# Ready while it delivers, and gone with the process.
[[ $(curl -fsS "${url}readyz") == running && $(curl -fsS "${url}healthz") == ok ]] || fail "not ready: $(curl -s "${url}readyz")"
kill -INT "${pids[0]}"
code=0
wait "${pids[0]}" || code=$?
((code == 130)) || fail "SIGINT ends the stream with exit status $code, want 130: $(tail -n 5 gen.log)"
curl -fs "${url}healthz" && fail "the page is served after the end"
echo "ok: ready while it runs, gone at the end"
