#!/bin/sh
# Compares Keras models with Keras.  usage: keras.sh COPPICE [--large] [--table FILE] [NETWORK...]
#
# TensorFlow and Keras come from PyPI into an environment beside the program (or in
# $COPPICE_KERAS_VENV), about 2 GB; that they cannot be had is a failure, not a skip.
# With COPPICE_REAL set the Keras models in $COPPICE_REAL/models are compared too.
set -eu
if [ $# -lt 1 ]; then
    echo "usage: keras.sh COPPICE [--large] [--table FILE] [NETWORK...]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
coppice=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
venv=${COPPICE_KERAS_VENV:-$(dirname "$coppice")/peers-keras-venv}

if ! "$venv/bin/python" -c 'import keras, onnxruntime, tf_keras' 2>/dev/null; then
    python3 -m venv "$venv" &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements-keras.txt" || {
        echo "peers: Keras could not be installed (python3-venv, network?)"
        echo "0 passed, 1 failed"
        exit 1
    }
fi
[ -z "${COPPICE_REAL:-}" ] || set -- --real "$COPPICE_REAL/models" "$@"
exec "$venv/bin/python" "$here/keras_peer.py" "$coppice" "$@"
