#!/bin/sh
# Compares the program with ONNX Runtime.  usage: run.sh COPPICE [FOLDER_OF_ONNX_FILES...]
#
# ONNX Runtime comes from PyPI into an environment beside the program (or in
# $COPPICE_PEERS_VENV); that it cannot be had is a failure, not a skip.
# With COPPICE_REAL set the models in $COPPICE_REAL/models are compared too.
set -eu
if [ $# -lt 1 ]; then
    echo "usage: run.sh COPPICE [FOLDER...]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
coppice=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
venv=${COPPICE_PEERS_VENV:-$(dirname "$coppice")/peers-venv}

if ! "$venv/bin/python" -c 'import numpy, onnx, onnxruntime' 2>/dev/null; then
    python3 -m venv "$venv" &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" || {
        echo "peers: ONNX Runtime could not be installed (python3-venv, network?)"
        echo "0 passed, 1 failed"
        exit 1
    }
fi
[ -z "${COPPICE_REAL:-}" ] || set -- "$@" "$COPPICE_REAL/models"
exec "$venv/bin/python" "$here/compare_onnx.py" "$coppice" "$@"
