#!/bin/sh
# Compares torchvision's networks, as PyTorch's two exporters write them, with ONNX Runtime.
#   usage: torch.sh COPPICE [--write] [NETWORK...]
#
# PyTorch comes from PyPI into an environment beside the program (or in
# $COPPICE_TORCH_VENV), about 5 GB; that it cannot be had is a failure, not a skip.
# --write renews the table in docs/imports.md.
set -eu
if [ $# -lt 1 ]; then
    echo "usage: torch.sh COPPICE [--write] [NETWORK...]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
coppice=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
venv=${COPPICE_TORCH_VENV:-$(dirname "$coppice")/peers-torch-venv}

if ! "$venv/bin/python" -c 'import onnxruntime, onnxscript, torchvision' 2>/dev/null; then
    python3 -m venv "$venv" &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements-torch.txt" || {
        echo "peers: PyTorch could not be installed (python3-venv, network?)"
        echo "0 passed, 1 failed"
        exit 1
    }
fi
exec "$venv/bin/python" "$here/torch_peer.py" "$coppice" "$@"
