#!/bin/sh
# time_network answers each line it is given.  usage: smoke.sh TIME_NETWORK MODEL.onnx
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "bench: $*" >&2; exit 1; }

printf 'run 3\nwrite %s/y\nprofile 2\n' "$folder" | "$1" "$2" 2 1 >"$folder/answers"
grep -Eq '^ready [0-9.]+ [0-9.]+ Coppice ' "$folder/answers" || fail "not ready"
grep -Eq '^[0-9]+\.[0-9]+ [0-9]+\.[0-9]+ [0-9]+\.[0-9]+$' "$folder/answers" || fail "not three times"
grep -q '^written$' "$folder/answers" || fail "nothing written"
[ "$(wc -c <"$folder/y.out0")" -eq 56 ] || fail "outputs are not 2 x 7 floats"
grep -Eq '^ *[0-9.]+  convolution ' "$folder/answers" || fail "no convolution in the profile"
grep -Eq '^ *[0-9.]+  sum of [0-9.]+$' "$folder/answers" || fail "no sum under the profile"

echo 'dance 3' | "$1" "$2" 1 1 >/dev/null 2>"$folder/error" && fail "an unknown verb is taken"
grep -q "'dance' is none of run, write, profile" "$folder/error" || fail "an unknown verb is not named"
"$1" "$folder/none.onnx" 1 1 </dev/null 2>"$folder/error" && fail "no model is taken"
grep -q 'none.onnx' "$folder/error" || fail "the missing model is not named"
echo "bench: passed"
