#!/usr/bin/env bash
# test_live.sh loads the live page of a stream in headless Chromium, compares what
# it shows with /metrics, and takes screenshots in light and dark, wide and on a
# phone (SHOTS=DIR keeps them). Debian's chromium and chromium-driver are
# installed when they are missing and this is root.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"

printf '10s 200\n20s 200..800\n1h 800\n' >stages
./gen stream --load stages --http 127.0.0.1:0 >/dev/null 2>gen.log &
stream=$!
browser
url=$(await "live page" gen.log 'http://127.0.0.1:[0-9]*/')
mkdir -p "${SHOTS:=$work/shots}"
python3 "$here/live_page.py" "$url" --driver "$driver" --shots "$SHOTS"
for shot in light-wide light-phone dark-wide dark-phone; do
	[[ -s $SHOTS/$shot.png ]] || fail "no screenshot $shot.png"
done

# Ready while it delivers, and gone with the process.
[[ $(curl -fsS "${url}readyz") == running && $(curl -fsS "${url}healthz") == ok ]] || fail "not ready: $(curl -s "${url}readyz")"
kill -INT "$stream"
code=0
wait "$stream" || code=$?
((code == 130)) || fail "SIGINT ends the stream with exit status $code, want 130: $(tail -n 5 gen.log)"
curl -fs "${url}healthz" && fail "the page is served after the end"
ok "ready while it runs, gone at the end"
