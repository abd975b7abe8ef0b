#!/bin/sh
# The whole sequence of verbs on one real model: real.sh MODEL COPPICE
#   accuracy as published for the same files, then search, explain, report, export.
# Models and data are read from $COPPICE_REAL/models and $COPPICE_REAL/data (*.tar).
set -eu
model=$1
coppice=$2
if [ -z "${COPPICE_REAL:-}" ]; then
    echo "real: COPPICE_REAL is not set: no real model is tested"
    exit 77
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/coppice-real-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

imagenet='3x224x224 short=256 mean=.485,.456,.406 std=.229,.224,.225'
cifar='3x32x32 mean=.485,.456,.406 std=.229,.224,.225'
case $model in
resnet20) file=resnet20-cifar10.onnx tar=cifar10 top1=81.03 pre=$cifar ;;
resnet56) file=resnet56-cifar10.onnx tar=cifar10 top1=89.81 pre=$cifar ;;
squeezenet) file=squeezenet1.1-imagenet.onnx tar=photos top1=63.6 pre=$imagenet ;;
*) echo "real: no such model: $model" && exit 2 ;;
esac
# Limits on work and accuracy, not on time: a test must not hang on a clock.
macs=88% drop=6.0

fail() {
    echo "real: $model: $*"
    exit 1
}
# number KEY < JSON: the first number with that key
number() { sed -n "s/.*\"$1\":[[:space:]]*\(-\{0,1\}[0-9.e+-]*\).*/\1/p" | head -n 1; }
near() { awk -v a="$1" -v b="$2" -v d="$3" 'BEGIN { x = a - b; exit !(x <= d && -x <= d) }'; }
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }

tar -xf "$COPPICE_REAL/data/$tar.tar"
case $tar in
cifar10) val=cifar10/test calib=cifar10/train ;;
photos) val=photos calib=photos ;;
esac

"$coppice" init project.coppice
"$coppice" import "$COPPICE_REAL/models/$file" --name model --preprocess "$pre"
"$coppice" inspect model
"$coppice" data add "$val" --name val
"$coppice" data add "$calib" --name calib

"$coppice" eval model --data val --json >eval.json
got=$(number top1 <eval.json)
near "$got" "$top1" 0.1 || fail "top-1 is $got, published for these files: $top1"
echo "real: $model: top-1 $got, published $top1"

status=0
"$coppice" synth model --data calib --val val --max-macs $macs --max-drop $drop \
    --variants 2 || status=$?
[ $status = 0 ] || fail "no variant within $macs of the MACs and $drop points (exit $status)"
"$coppice" list
"$coppice" compare model V1
"$coppice" explain V1 --data val --samples 4
"$coppice" report V1 -o report.html
"$coppice" export V1 -o v1.onnx
[ -s report.html ] && [ -s v1.onnx ] || fail "report or exported file is empty"
less "$(wc -c <v1.onnx)" "$(wc -c <"$COPPICE_REAL/models/$file")" || fail "the file is not smaller"

# The exported file is a model of its own: it must answer as the variant does.
"$coppice" eval V1 --data val --json >v1.json
"$coppice" import v1.onnx --name again
"$coppice" eval again --data val --json >again.json
[ "$(number top1 <v1.json)" = "$(number top1 <again.json)" ] || fail "the exported file answers otherwise"
echo "real: $model: passed"
