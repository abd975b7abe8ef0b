#!/bin/sh
# Real Keras files: accuracy as Keras has it on the same files (Keras 2.21 on TensorFlow
# 2.21, Pillow's resizing), from the file, from the project and as exported ONNX.
#   keras.sh COPPICE
# Models and data are read from $COPPICE_REAL/models and $COPPICE_REAL/data (*.tar).
# Not compared here: the outputs themselves, which takes Keras; see tests/peers/keras.sh.
set -eu
coppice=$1
if [ -z "${COPPICE_REAL:-}" ]; then
    echo "real: COPPICE_REAL is not set: no real model is tested"
    exit 77
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/coppice-real-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
    echo "real: keras: $*"
    exit 1
}
number() { sed -n "s/.*\"$1\":[[:space:]]*\(-\{0,1\}[0-9.e+-]*\).*/\1/p" | head -n 1; }
near() { awk -v a="$1" -v b="$2" -v d="$3" 'BEGIN { x = a - b; exit !(x <= d && -x <= d) }'; }

tar -xf "$COPPICE_REAL/data/cifar10.tar" cifar10/test
tar -xf "$COPPICE_REAL/data/fer2013.tar" fer2013/val
# Folders sort in the order of the classes; that of the faces is not alphabetic.
mkdir faces
n=0
for class in angry disgust fear happy sad surprise neutral; do
    mv "fer2013/val/$class" "faces/$n-$class"
    n=$((n + 1))
done

"$coppice" init p.coppice

# check FILE NAME DATA PREPROCESS TOP1
check() {
    "$coppice" import "$COPPICE_REAL/models/$1" --name "$2" --preprocess "$4"
    "$coppice" eval "$2" --data "$3" --json >eval.json
    got=$(number top1 <eval.json)
    near "$got" "$5" 0.05 || fail "$2: top-1 is $got, Keras on these files: $5"
    "$coppice" export "$2" -o exported.onnx
    "$coppice" eval exported.onnx --data "$3" --json >again.json
    [ "$got" = "$(number top1 <again.json)" ] || fail "$2: the exported file answers otherwise"
    echo "real: $2: top-1 $got, Keras $5"
}
check fer-mini-xception-48.hdf5 mini ./faces "1x48x48 mean=.5 std=.5" 63.360
check fer-big-xception-64.hdf5 big ./faces "1x64x64 mean=.5 std=.5" 65.339
check cifar10-resnet8.h5 resnet8 ./cifar10/test "3x32x32 scale=1" 75.48
echo "real: keras: passed"
