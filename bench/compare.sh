#!/bin/sh
# Compares Coppice with ONNX Runtime, OpenVINO and PyTorch.  usage: compare.sh [OPTION...]
#
# Puts the peers (requirements.txt, and requirements-torch.txt when an option names torch)
# into an environment in the build folder, or in $COPPICE_BENCH_VENV, and hands all options
# to compare.py; README.md tells of them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${COPPICE_BENCH_VENV:-$here/../build/bench-venv}

need() { # file of requirements: installed once, again when the file changes
    cmp -s "$here/$1" "$venv/$1" && return
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/$1"
    cp "$here/$1" "$venv/$1"
}

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
need requirements.txt
case "$*" in *torch*) need requirements-torch.txt ;; esac
exec "$venv/bin/python" "$here/compare.py" "$@"
