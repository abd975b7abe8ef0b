#!/bin/sh
# Finds variants of the example network and exports them for run.sh to compare.
#   variants.sh BUILD_DIR SOURCE_DIR OUT_FOLDER
set -eu
build=$(cd "$1" && pwd)
source=$(cd "$2" && pwd)
mkdir -p "$3"
out=$(cd "$3" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/coppice-variants-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
"$build/examples/faces" calib --n 140 --seed 21
"$build/examples/faces" val --n 350 --seed 22
"$build/coppice" init faces.coppice
"$build/coppice" import "$source/examples/faces/faces.onnx" --name model
"$build/coppice" data add calib --name calib
"$build/coppice" data add val --name val
# Limits that every machine meets: this is about outputs, not about speed.
"$build/coppice" synth model --data calib --val val --max-macs 80% --max-drop 50 --variants 3
for name in V1 V2 V3; do
    "$build/coppice" show "$name" >/dev/null 2>&1 || continue
    "$build/coppice" export "$name" -o "$out/$name.onnx"
done
[ -s "$out/V1.onnx" ] || { echo "variants: nothing was exported"; exit 1; }
