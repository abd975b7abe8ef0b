# The whole job on the demo network: every verb's happy path, and its JSON keys.

$ faces --seed 11 --samples 140 --output val.bin && faces --seed 12 --samples 140 --output calib.bin
$ coppice init faces
> created faces.coppice
$ coppice doctor
> processor *
> self test       passed
$ coppice doctor --json | json_check $SOURCE/docs/json.md doctor
> keys as documented

$ coppice import $SOURCE/examples/faces/faces.onnx --name model
> imported model from *faces.onnx
> inputs *
> outputs *
> nodes *Conv*
> parameters *
> prunable *% of the MACs
$ coppice import $SOURCE/examples/faces/faces.onnx --name twin --json | json_check $SOURCE/docs/json.md import
> keys as documented
$ coppice inspect model
> layer *op *output *parameters *MACs *ms *verdict
> *Conv*prunable
> *Gemm*
> MACs *per sample, *
> time *ms for a batch of 1*
$ coppice inspect $SOURCE/examples/faces/faces.onnx --no-time
> model       faces
>! time *
$ coppice inspect model --json | json_check $SOURCE/docs/json.md inspect
> keys as documented
$ coppice inspect model --no-time --json | json_check $SOURCE/docs/json.md inspect
> keys as documented
