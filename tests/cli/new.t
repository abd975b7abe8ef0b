# Networks of the zoo as files.

$ coppice new
> network *input *least *classes *after
> resnet50 *3x224x224 *32 *1000 *He et al*
> squeezenet *
> nasnet-large *3x331x331 *
> densenet121 *3x224x224 *
> efficientnet-b0 *3x224x224 *
$ coppice new --list | wc -l >a; coppice new | wc -l >b; cmp a b
$ coppice new --json | json_check $SOURCE/docs/json.md 'new --list'
> keys as documented

$ coppice new squeezenet -o s.onnx
> wrote s.onnx (4.9* MB)
> network *squeezenet, 3x224x224 to 1000 classes
> parameters *1,235,496
> MACs *349 M per sample
$ coppice new squeezenet -o t.onnx -q >/dev/null; cmp s.onnx t.onnx
$ coppice new squeezenet --seed 2 -o t.onnx >/dev/null; cmp -s s.onnx t.onnx
= 1
$ coppice new mobilenetv2 --classes 10 --input 1x40x48 -o m.onnx --json | tee m.json | json_check $SOURCE/docs/json.md new
> keys as documented
$ tr -d '\n\t ' <m.json
> *"input":[[]1,1,40,48],"classes":10,*
$ coppice inspect m.onnx --no-time
> model *m
# Both verbs count the same groups as frozen, also where others have too few channels.
$ coppice new efficientnet-b0 --input 3x32x32 -o e.onnx -q >/dev/null
$ coppice inspect e.onnx --groups --no-time | grep '^groups'
> groups      42, 2 of them frozen
$ coppice prune e.onnx --macs 95% --score magnitude --no-repair --samples 1 -o c.onnx -q
> cut *of 42 groups; 2 are frozen*
# The batch is open.
$ coppice bench m.onnx --batch 3 --runs 3
> *

$ coppice new resnet51 -o r.onnx
! coppice: no network 'resnet51'; there are: *resnet50*
= 3
$ coppice new resnet50
! coppice: new: option --output FILE.onnx is missing
= 2
$ coppice new -o r.onnx
! coppice: new: which network[?]*
= 2
$ coppice new resnet50 --input 3x224 -o r.onnx
! coppice: option --input: '3x224' is not CxHxW*
= 2
$ coppice new resnet50 --input 3x-4x224 -o r.onnx
! *is not CxHxW*
= 2
$ coppice new resnet50 --input 3x8x224 -o r.onnx
! coppice: resnet50 needs an input of at least 32x32, given 8x224
= 2
$ coppice new resnet50 --input 3x224x99999999 -o r.onnx
! coppice: width must be 1 to 16384, given 99999999
= 2
$ coppice new resnet50 --classes 99999999999 -o r.onnx
! coppice: classes must be 1 to 1000000, given 99999999999
= 2
$ coppice new vgg16 --input 3x1024x1024 -o r.onnx
! coppice: 'classifier.fc1.weight' takes the weights to * numbers, an ONNX file holds *
= 2
$ coppice new squeezenet -o nowhere/s.onnx
! coppice: *nowhere/s.onnx*
= 1
$ ls r.onnx
= 2
