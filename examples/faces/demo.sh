#!/bin/sh
# The main job of Coppice from end to end, on drawn faces and a small trained network.
#
#   examples/faces/demo.sh BUILD_DIR [OUT_DIR]
#
# Draws pictures to calibrate on, to decide on and to test on; imports the network; finds a
# faster one within limits; compares, explains, reports and exports it.  Everything goes into
# OUT_DIR (default demo-out), which is replaced.  Takes a few minutes; needs no network.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: $0 BUILD_DIR [OUT_DIR]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
out=${2:-demo-out}
PATH=$build:$build/examples:$PATH

for program in "$build/coppice" "$build/examples/faces"; do
    [ -x "$program" ] || { echo "$0: $program is missing; build first (make)" >&2; exit 1; }
done
# Only a folder that an earlier demo made is replaced.
if [ -e "$out" ] && [ ! -e "$out/faces.coppice" ] && [ -n "$(ls -A "$out")" ]; then
    echo "$0: $out exists and is no earlier demo; name another folder" >&2
    exit 1
fi
rm -rf "$out"
mkdir -p "$out"
cd "$out"
out=$(pwd)

say() { printf '\n== %s\n' "$*"; }
show() {
    printf '\n$ %s\n' "$*"
    "$@"
}

say "drawing faces: 700 to calibrate on, 1400 to decide on, 1400 to test on"
show faces calib --n 700 --seed 11
show faces val --n 1400 --seed 12
show faces test --n 1400 --seed 13

say "the project: one file that holds everything"
show coppice init faces.coppice
cp "$here/faces.onnx" model.onnx
show coppice import model.onnx
show coppice data add calib --name calib
show coppice data add val --name val
show coppice data add test --name test

say "the original: what it is made of, how right it is, how fast"
show coppice inspect model
show coppice eval model --data val
show coppice bench model --batch 1

say "the search: at most 60 % of the time, at most 0.7 points of accuracy lost"
printf '\n$ %s\n' "coppice synth model --data calib --val val --max-latency 60% --max-drop 0.7 --samples 700 --time 2m"
status=0
coppice synth model --data calib --val val --max-latency 60% --max-drop 0.7 --samples 700 --time 2m \
    >synth.txt || status=$?
cat synth.txt
[ $status = 0 ] || { echo "$0: the search ended with status $status" >&2; exit $status; }
best=$(sed -n 's/^fastest accepted: \([^;]*\);.*/\1/p' synth.txt)
[ -n "$best" ] || { echo "$0: the search names no variant" >&2; exit 1; }

say "$best beside the original, also on pictures that neither search nor repair has seen"
show coppice list
show coppice compare model "$best"
show coppice compare model "$best" --data test

say "why they decide as they do"
show coppice explain "$best" --data val --samples 20

say "to the reviewer, and to the service"
show coppice report "$best" -o report.html
show coppice export "$best" -o "$best.onnx"

say "done"
echo "report:         $out/report.html"
echo "exported model: $out/$best.onnx"
echo "project:        $out/faces.coppice"
