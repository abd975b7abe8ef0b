#!/bin/sh
# The committed ONNX seeds are what make_corpus writes.  usage: corpus_is_current.sh MAKE_CORPUS CORPUS
fresh=$(mktemp -d) || exit 1
trap 'rm -rf "$fresh"' EXIT
"$1" "$fresh" && diff -r -x '*.json' -x '*.h5' "$fresh" "$2" && echo "corpus: current"
