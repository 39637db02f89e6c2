#!/usr/bin/env bash
# venv.sh [FILE] makes the Python environment of these scripts, once for each
# requirements.txt (FILE is another one), and prints the path of its python:
#
#   "$(scripts/venv.sh)" scripts/simulate.py --help
#
# It lies in ${GEN_CACHE:-~/.cache/gen}; pip's own settings decide where the
# packages come from.
set -euo pipefail

fail() {
	echo "venv.sh: $*" >&2
	exit 1
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=${1:-$here/requirements.txt}
[[ -r $requirements ]] || fail "$requirements cannot be read"
[[ -n ${GEN_CACHE:-}${HOME:-} ]] || fail "neither GEN_CACHE nor HOME is set"
cache=${GEN_CACHE:-${HOME:-}/.cache/gen}

command -v python3 >/dev/null || fail "python3 is not installed; Python 3.10 or later is needed"
command -v flock >/dev/null || fail "flock is not installed; it is part of util-linux"
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
command -v "$java" >/dev/null || fail "$java is not installed; Spark needs Java 17"
version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
((${version:-0} >= 17 && ${version:-0} < 24)) || fail "$java is version ${version:-unknown}; Spark needs Java 17"
# Debian has a python3 whose venv module cannot work: ensurepip is a package of its own.
python3 -c 'import venv, ensurepip' 2>/dev/null || fail "python3 cannot make environments; install python3-venv"
key=$(python3 - "$requirements" <<'PY'
import hashlib, sys
if sys.version_info < (3, 10):
    sys.exit(f"venv.sh: python3 is {sys.version.split()[0]}; 3.10 or later is needed")
with open(sys.argv[1], "rb") as f:
    seen = f.read() + sys.version.encode() + sys.prefix.encode()
print(hashlib.sha256(seen).hexdigest()[:16])
PY
)

venv=$cache/venv-$key
if [[ ! -e $venv/complete ]]; then
	mkdir -p "$cache"
	exec 9>"$venv.lock"
	flock 9
	# Another process may have made it while this one waited; one that was
	# interrupted left no mark and is made anew.
	if [[ ! -e $venv/complete ]]; then
		echo "venv.sh: installing $(grep -c '==' "$requirements") packages into $venv" >&2
		rm -rf "$venv"
		python3 -m venv "$venv" >&2 9>&- || fail "python3 -m venv $venv did not work"
		"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
			-r "$requirements" >&2 9>&- || fail "pip could not install $requirements; its message is above"
		touch "$venv/complete"
	fi
fi
echo "$venv/bin/python"
