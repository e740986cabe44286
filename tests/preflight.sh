#!/bin/sh
# What an installation needs, checked before half an hour is spent on finding out; each message says the cure.
set -u
python=${1:-python3}
fail() { echo "geoseg: cannot install: $1" >&2; exit 4; }
command -v "$python" >/dev/null || fail "no $python found (install Python 3.11 or newer, or: make demo PYTHON=/path/to/python3.11)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || fail "$("$python" --version 2>&1) is too old (3.11 or newer is needed: make demo PYTHON=python3.11)"
"$python" -c 'import venv, ensurepip' 2>/dev/null \
  || fail "$python has no venv module (Debian, Ubuntu: apt-get install python3-venv)"
free=$(df -Pk . | awk 'NR==2 {print $4}')
[ "${free:-0}" -ge 10485760 ] || fail "only $((free / 1048576)) GB free here, 10 GB are needed (packages take about 5)"
if [ "$(uname -s)" = Linux ]; then
  "$python" - <<'PY' || fail "the system library libexpat.so.1 is missing (Debian, Ubuntu: apt-get install libexpat1)"
import ctypes, sys
try:
    ctypes.CDLL("libexpat.so.1")
except OSError:
    sys.exit(1)
PY
fi
