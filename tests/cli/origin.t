# What a file tells besides its network: import keeps it, inspect shows it.

$ coppice init p
$ coppice import $SOURCE/tests/fuzz/corpus/encodings.onnx --name e
> format *ONNX, opset *, IR version *
> widened *1 of float16, 1 of float64: these tensors are held as float32
$ coppice import $SOURCE/tests/fuzz/corpus/k_nested.h5 --name k --json | json_check $SOURCE/docs/json.md import
> keys as documented
$ coppice import $SOURCE/tests/fuzz/corpus/encodings.onnx --name f --json | json_check $SOURCE/docs/json.md import
> keys as documented
# The network written into the project is not the file: what was told stays.
$ coppice inspect e --no-time
> model       e
> format      ONNX, opset *, IR version *
> widened     1 of float16, 1 of float64: these tensors are held as float32
> metadata    mean: 0.5
> parameters *
$ coppice inspect k --no-time
> format      Keras, by Keras 2*
> shared      base/ic/k, read by 2 nodes
$ coppice inspect $SOURCE/tests/fuzz/corpus/k_nested.h5 --no-time
> format      Keras, by Keras 2*
> shared      base/ic/k, read by 2 nodes
$ coppice inspect $SOURCE/tests/fuzz/corpus/k_nested.h5 --no-time --json | json_check $SOURCE/docs/json.md inspect
> keys as documented
$ coppice inspect e --no-time --json | json_check $SOURCE/docs/json.md inspect
> keys as documented
$ coppice inspect e --no-time --json | tr -d '\n\t '
> *"format":"onnx"*"widened":[[]{"dtype":"float16","n":1},{"dtype":"float64","n":1}],"unused":[[]]*"metadata":[[]{"key":"mean","text":"0.5"}]*
$ coppice import $SOURCE/examples/faces/faces.onnx --name m
$ coppice inspect m --no-time
> format      ONNX, opset *, IR version *
> preprocess  3x48x48 *
