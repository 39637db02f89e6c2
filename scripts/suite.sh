# suite.sh is what the suites test_*.sh have in common: the folder $work, which is the
# current one, a gen that was just built in it, and a broker when kafka starts one. All
# ends with the suite, which may set another trap that calls cleanup.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
ok() { echo "ok: $*"; }
fail() {
	echo "${0##*/}: $*" >&2
	exit 1
}
kafka() { "$here/kafka.sh" "$1" "$work/kafka" "${@:2}"; }
cleanup() {
	local pid
	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null || true
		kill -CONT "$pid" 2>/dev/null || true # it may be stopped
	done
	kafka stop >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT
(cd "$here/.." && go build -o "$work/gen" ./cmd/gen)
cd "$work" || exit

# await WHAT FILE PATTERN prints the first match in a file that is being written.
await() {
	for _ in {1..300}; do
		if grep -m 1 -o "$3" "$2" 2>/dev/null; then return; fi
		sleep 0.1
	done
	fail "$1 does not start: $(tail -n 5 "$2")"
}

# browser has Chromium listen to WebDriver at $driver, and installs it where it is missing.
browser() {
	if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
		[[ $EUID == 0 && -x /usr/bin/apt-get ]] ||
			fail "chromium and chromedriver are not installed; they are Debian's chromium and chromium-driver"
		echo "installing chromium and chromium-driver"
		(apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium chromium-driver) \
			>apt 2>&1 || fail "apt-get could not install chromium: $(tail -n 5 apt)"
	fi
	chromedriver --port=0 >driver.log 2>&1 &
	driver=$(await chromedriver driver.log 'successfully on port [0-9]*') || exit
	driver=http://127.0.0.1:${driver##* }
}
