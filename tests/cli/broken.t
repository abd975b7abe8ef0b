# Broken input gives one clear line and the documented status.

$ coppice init p
$ coppice import nowhere.onnx
! coppice: *nowhere.onnx*
= 3
$ coppice inspect ./nowhere.onnx
! coppice: *nowhere.onnx*
= 3
$ mkdir folder.onnx && coppice import folder.onnx
! coppice: *folder.onnx*
= 1
$ : >empty.onnx; coppice import empty.onnx
! coppice: *empty.onnx*
= 3
$ head -c 2000 $SOURCE/examples/faces/faces.onnx >short.onnx; coppice import short.onnx
! coppice: *short.onnx*
= 3
$ head -c 40000 /dev/urandom >noise.onnx; coppice import noise.onnx
! coppice: *noise.onnx*
= 3
$ coppice import $SOURCE/examples/faces/faces.onnx --name 'a/b'
! coppice: 'a/b' cannot be a name*
= 2
$ coppice import $SOURCE/examples/faces/faces.onnx --preprocess 'much'
! coppice: *much*
= 2
$ coppice list
> no models yet*

$ coppice import $SOURCE/examples/faces/faces.onnx
$ coppice import $SOURCE/examples/faces/faces.onnx
! coppice: *faces*
= 2
$ coppice data add nowhere --name d
! coppice: *nowhere*
= 3
$ mkdir none && coppice data add none --name d
! coppice: *none*
= 3
$ head -c 100 /dev/zero >bits.bin; coppice data add bits.bin --name d --format records --shape 3x
! coppice: option --shape: '3x' is not CxHxW*
= 2
$ coppice data add bits.bin --name d --format records --shape 3x48x48
! coppice: *bits.bin*
= 3
$ coppice data add bits.bin --name d --format pictures
! coppice: option --format: 'pictures' is none of*
= 2
$ printf 'not an array' >x.npy; coppice run faces --input x.npy --output y.npy
! coppice: *x.npy*
= 3
$ coppice run faces --input nowhere.npy --output y.npy
! coppice: *nowhere.npy*
= 3
$ coppice eval faces --data nowhere
! coppice: *'nowhere'*
= 3
$ coppice export faces -o nowhere/out.onnx
! coppice: *nowhere/out.onnx*
= 1
$ coppice report faces -o nowhere/out.html
! coppice: *nowhere/out.html*
= 1

# What does not fit into the message is listed before it, whole.
$ coppice inspect $SOURCE/tests/fuzz/corpus/bad_operators.onnx
! not supported:
! Bernoulli: node 'middle6'
! GRU: node 'middle1'
! LSTM: node 'middle0', 'middle9'
! Multinomial: node 'middle8'
! NonMaxSuppression: node 'y'
! RNN: node 'middle2'
! RandomNormalLike: node 'middle7'
! RoiAlign: node 'middle3'
! StringNormalizer: node 'middle4'
! TfIdfVectorizer: node 'middle5'
! coppice: *bad_operators.onnx: 10 operators are not supported: Bernoulli (node 'middle6'), *
= 3

# A file that is shortened while it is read: no crash.  The command may not have come to the
# weights yet, or be done with them; then once more, a little later.
$ coppice new resnet18 -o whole.onnx
$ : >err; n=0; while [ $n -lt 60 ] && ! grep -q shortened err; do cp whole.onnx cut.onnx; shorten cut.onnx $((n % 20)) coppice bench ./cut.onnx --runs 1 2>err; status=$?; n=$((n + 1)); done; cat err; exit $status
> coppice: '*/cut.onnx' was shortened while it was read, or its disk fails
= 3
