#!/bin/sh
# Compares Coppice with ONNX Runtime, OpenVINO and PyTorch.  usage: compare.sh [OPTION...]
#
# Puts the peers (requirements.txt) into an environment in the build folder, or in
# $COPPICE_BENCH_VENV, and hands all options to compare.py; README.md lists them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${COPPICE_BENCH_VENV:-$here/../build/bench-venv}
stamp=$venv/requirements.txt

if ! cmp -s "$here/requirements.txt" "$stamp"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$stamp"
fi
exec "$venv/bin/python" "$here/compare.py" "$@"
