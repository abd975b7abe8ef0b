# Frozen graphs of TensorFlow, whole and cut.

$ coppice init p
$ cp $SOURCE/tests/importers/tf/classifier.pb $SOURCE/tests/importers/tf/asked.pb $SOURCE/tests/fuzz/corpus/tf_sound.pb .
$ coppice import classifier.pb --json | json_check $SOURCE/docs/json.md import
> keys as documented
$ coppice import classifier.pb --name relu --output Relu --output probabilities
> outputs           Relu float32 *, probabilities float32 1x4*
# What lies before a node is cut away; its shape is told where the file does not.
$ coppice import tf_sound.pb
! coppice: tf_sound.pb: * operators are not supported: AudioSpectrogram (node 's'), *
= 3
$ coppice import tf_sound.pb --name cut --input cut=1x5x4x3
> inputs            cut float32 1x3x5x4*
$ coppice inspect tf_sound.pb --no-time --input cut=1x5x4x3 --output y
$ coppice bench tf_sound.pb --batch 1 --seconds 0.05 --input cut=1x5x4x3 --output y
$ coppice import tf_sound.pb --name other --input nowhere
! coppice: tf_sound.pb: no node is named 'nowhere'
= 2
$ coppice inspect cut --no-time --input x
! coppice: --input and --output choose a part of a file; 'cut' is a model of the project
= 2
$ coppice import asked.pb
! coppice: asked.pb: node *: the branch depends on *; say --input LogicalNot=false (or true)
= 3
$ coppice import asked.pb --input phase=maybe
! coppice: input 'phase': 'maybe' is neither a shape * nor true or false
= 2
$ coppice import asked.pb --input phase=false
# Raw arrays, by names.
$ npy() { printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': ($1), }"; head -c $2 /dev/zero; }; npy "2, 6, 9, 8" 3456 >x.npy; npy "2, 9, 8, 6" 3456 >last.npy; npy "2, 4, 4, 3" 384 >small.npy
$ coppice run classifier --input x.npy --output y.npy
> y.npy  2x4  probabilities
$ coppice run classifier.pb --input x=x.npy --output probabilities=z.npy && cmp y.npy z.npy
> z.npy  2x4  probabilities
$ coppice run classifier.pb --input x=x.npy --output Relu=r.npy --output probabilities=z.npy && cmp y.npy z.npy
> r.npy  2x*  Relu
> z.npy  2x4  probabilities
$ coppice run relu --input x=x.npy --output probabilities=w.npy && cmp y.npy w.npy
> w.npy  2x4  probabilities
>! *Relu*
$ coppice run relu --input x=x.npy --output nothing=w.npy
! coppice: the model has no output 'nothing', but 'Relu' and others
= 2
$ coppice run relu --input x=x.npy --output probabilities=w.npy --output v.npy
! coppice: --output is given with a name and without: name all of them
= 2
$ coppice run classifier --input last.npy --output y.npy
! coppice: last.npy is 2x9x8x6, input 'x' of the model is 1x6x9x8 for each sample, channels first
= 3
$ coppice run asked.pb --input x=small.npy --input phase=false --output y.npy
$ coppice run classifier --input phase=false --input x.npy --output y.npy
! coppice: --input phase=false is for .pb files
= 2
$ head -c 5000 classifier.pb >short.pb; coppice import short.pb
! coppice: short.pb: not a sound TensorFlow graph: *
= 3
$ : >empty.pb; coppice import empty.pb
! coppice: empty.pb: the file is empty
= 3
