#!/bin/sh
# Compares frozen graphs of TensorFlow with TensorFlow.
# usage: tf.sh COPPICE [--large] [--table FILE] [NETWORK...]
#
# TensorFlow, Keras and tf2onnx come from PyPI into an environment beside the program, the
# one of keras.sh (or into $COPPICE_KERAS_VENV), about 2 GB; that they cannot be had is a
# failure, not a skip.
set -eu
if [ $# -lt 1 ]; then
    echo "usage: tf.sh COPPICE [--large] [--table FILE] [NETWORK...]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
coppice=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
venv=${COPPICE_KERAS_VENV:-$(dirname "$coppice")/peers-keras-venv}

# What tf2onnx asks for is older than what TensorFlow does, and it works without.
if ! "$venv/bin/python" -c 'import keras, onnxruntime, tf_keras, tf2onnx' 2>/dev/null; then
    python3 -m venv "$venv" &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements-keras.txt" &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps tf2onnx==1.17.0 || {
        echo "peers: TensorFlow could not be installed (python3-venv, network?)"
        echo "0 passed, 1 failed"
        exit 1
    }
fi
exec "$venv/bin/python" "$here/tf_peer.py" "$coppice" "$@"
