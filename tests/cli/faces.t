# The whole job on the demo network: every verb's happy path, and its JSON keys.

$ faces val.bin --n 140 --seed 12 --format records && faces calib.bin --n 70 --seed 11 --format records
$ coppice init faces
> created faces.coppice
$ coppice import $SOURCE/examples/faces/faces.onnx --name model
> imported model from *faces.onnx
> inputs *input float32 1x3x48x48 (any batch)
> outputs *logits float32 1x7
> nodes *Conv *
> parameters *(* kB)
> MACs *per sample
> preprocessing *3x48x48 *
> prunable *% of the MACs *
> frozen *it is the network's input*
$ coppice import $SOURCE/examples/faces/faces.onnx --name twin --json | json_check $SOURCE/docs/json.md import
> keys as documented

$ coppice inspect model
> layer *op *output *parameters *MACs *ms *verdict
> stem *Conv *prunable
> stem.bn *BatchNormalization *fused *carried
> logits *Gemm *frozen because *
> MACs *per sample, *% in layers that shrink*
> time *ms for a batch of 1, *
$ coppice inspect $SOURCE/examples/faces/faces.onnx --no-time
> stem *
> model       faces
>! time *
$ coppice inspect model --json | json_check $SOURCE/docs/json.md inspect
> keys as documented
$ coppice inspect model --no-time --json | json_check $SOURCE/docs/json.md inspect
> keys as documented
$ coppice inspect model --groups
> group 0: input, 3 channels
>   frozen because it is the network's input 'input'
> group 1: stem, * channels, cut by *
>   one step saves  * MACs (* %), * parameters, * ms
>   all channels    * ms
>   role *tensor *axis *elements *op *layer
>   producer  stem.weight * 0  0..* Conv *stem
>   consumer *
> groups *frozen
> time * ms, all layers
$ coppice inspect model --groups --no-time --json | json_check $SOURCE/docs/json.md 'inspect --groups'
> keys as documented
$ coppice inspect model --profile --runs 5
> *ms *% *GFLOP/s *% of peak *limit *step *implementation *layout *layers
> * convolution *stem*
> * inner product *logits*
> model       model, a batch of 1
> peak        *GFLOP/s, *GB/s on * thread*
> memory      *weights *, activations *, scratchpad *
> time        *ms in steps, *% of the *ms of a run
$ coppice inspect model --profile --runs 5 --batch 3 --json | json_check $SOURCE/docs/json.md 'inspect --profile'
> keys as documented
$ coppice inspect model --profile --no-time
! coppice: only one of --profile and --no-time can be given
= 2
$ coppice inspect model --profile --groups
! coppice: only one of --profile and --groups can be given
= 2

$ coppice data add val.bin --name val --shape 3x48x48
> added val: 140 samples of 7 classes (records)
> preprocessing 3x48x48 *
$ coppice data add calib.bin --name calib --format records --shape 3x48x48 --json | json_check $SOURCE/docs/json.md 'data add'
> keys as documented
$ coppice data add val.bin --name val --shape 3x48x48
! coppice: *'val'*
= 2
$ coppice data list
> name *samples *classes *format *preprocessing *path
> val *140 *7 *records *3x48x48 */val.bin
$ coppice data list --json | json_check $SOURCE/docs/json.md 'data list'
> keys as documented
$ coppice data check val
> samples      140
> balance      the largest class has 1.00 times the smallest
> unreadable   0
> duplicates   0
> class *samples *%
> * 20  14.29
$ cat val.bin val.bin >twice.bin && coppice data add twice.bin --name twice --shape 3x48x48 -q && coppice data check twice
> samples      280
> duplicates   140
> *record 140* is *record 0*
$ coppice data check twice --json | json_check $SOURCE/docs/json.md 'data check'
> keys as documented

$ coppice eval model --data val
> model    model
> data     val, 140 samples
> top-1    9[0-9].* %   (95 % interval * to *)
> top-5    * %
> class *samples *right *top-1 %
$ coppice eval model --data val --json | json_check $SOURCE/docs/json.md eval
> keys as documented
$ coppice eval model --data calib --limit 21
> data     calib, 21 samples
$ faces pictures --n 14 --seed 5 && coppice eval $SOURCE/examples/faces/faces.onnx --data ./pictures
> model    faces
> data     ./pictures, 14 samples
> top-1 *
$ coppice bench model --runs 5 --batch 2 --threads 1
> runs         5 with a batch of 2 on 1 thread
> median *ms
> throughput *images/s
> machine *oneDNN *
$ coppice bench $SOURCE/examples/faces/faces.onnx --runs 5 --json | json_check $SOURCE/docs/json.md bench
> keys as documented
$ coppice bench model --streams 1 --threads 1 --batch 2 --seconds 0.1
> streams      1 of 1 thread, with a batch of 2*
> throughput *images/s
> stream  runs *
> 1 *
> all *
$ coppice bench model --throughput --seconds 0.1 --json | json_check $SOURCE/docs/json.md 'bench --streams'
> keys as documented
$ coppice bench model --auto --seconds 0.1
> streams  threads *
> *1 *
> throughput * stream* of *
> latency * stream* of *
$ coppice bench model --auto --seconds 0.1 --json | json_check $SOURCE/docs/json.md 'bench --auto'
> keys as documented
$ coppice bench model --streams 1000 --threads 2
! coppice: 1000 streams of 2 threads need 2000 processors, this process may use *
= 2

# Arrays in and out: 3 samples of zeros, written by hand.
$ { printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3, 48, 48), }"; head -c 82944 /dev/zero; } >x.npy; coppice run model --input x.npy --output y.npy
> y.npy  3x7  logits
$ coppice run $SOURCE/examples/faces/faces.onnx --input x.npy --output z.npy --json | json_check $SOURCE/docs/json.md run
> keys as documented
$ cmp y.npy z.npy && wc -c <y.npy
> 212
$ coppice run model --input x.npy --input x.npy --output y.npy
! coppice: the model has 1 input, --input was given 2 times
= 2
$ coppice run model --input y.npy --output z.npy
! coppice: y.npy is 3x7, input 'input' of the model is 1x3x48x48 for each sample
= 3

# The search.  Limits that any variant meets, so that no timing decides.
$ coppice synth model --data calib --val val --max-macs 90% --max-drop 90 --variants 2 --samples 70 --time 5m >synth.txt
$ cat synth.txt
> latency ms *can come down to *
> MACs *can come down to *
> *variant *MACs % *faster *top-1 % *drop *verdict
> *V1 *accepted: *
> * tried, * accepted; *
> fastest accepted: V*; next: coppice compare model V*
$ coppice synth model --data calib --val val --max-macs 90% --max-drop 90 --variants 2 --samples 70 --time 5m --json | json_check $SOURCE/docs/json.md synth
> keys as documented
$ coppice synth model --data calib --val val --max-macs 90% --max-drop 90 --variants 2 --samples 70 --time 5m --json -q
> *"resumed":*true,*
> *"finished":*true,*
$ coppice synth model --data calib --val val --max-latency 0.001ms --variants 1 --samples 70
! coppice: none of *
= 4

$ coppice list
> name *from *MACs *parameters *size *median ms *faster *top-1 % *drop
> model * - *
> twin *
> V1 *model *x *
$ coppice list --json | json_check $SOURCE/docs/json.md list
> keys as documented
$ coppice show model
> from *faces.onnx
> accuracy *top-1 * on * samples)
$ coppice show V1
> from *model
> MACs *% of the original
> accuracy *
> cuts
> layer *channels *kept *kept % *why
$ coppice show V1 --json | json_check $SOURCE/docs/json.md show
> keys as documented
$ coppice compare model V1 --data val
> *model *V1 *change
> MACs *-*%
> same answer *
> flips *right answers lost, *won (McNemar p = *
> class *samples *before % *after % *change
$ coppice compare model V1
> data         *
$ coppice compare model V1 --json | json_check $SOURCE/docs/json.md compare
> keys as documented
$ coppice compare model twin --data val -q
> top-1 % *+0.00
> same answer  100.00 %*
> flips        0 right answers lost, 0 won (McNemar p = 1)

$ coppice explain V1 --data val --samples 2 --ablation-samples 2
> explained    V1 beside model on val
> samples      2*
> occluded     4 maps stored
$ coppice explain model --data val --samples 1 --ablation-samples 0 --window 12 --stride 12 --json | json_check $SOURCE/docs/json.md explain
> keys as documented
$ coppice report V1 -o report.html && grep -c '<html' report.html
> wrote report.html
> 1
$ coppice report V1 -o report.html --json | json_check $SOURCE/docs/json.md report
> keys as documented
$ coppice verify
> verified *records*
> audit root *
$ coppice verify --json | json_check $SOURCE/docs/json.md verify
> keys as documented
$ grep -c "$(coppice verify | sed -n 's/^audit root *//p')" report.html
> 2
$ coppice export V1 -o v1.onnx
> wrote v1.onnx (* kB)
$ coppice export V1 --output=v1.onnx --json | json_check $SOURCE/docs/json.md export
> keys as documented
$ coppice run V1 --input x.npy --output a.npy && coppice run ./v1.onnx --input x.npy --output b.npy && cmp a.npy b.npy
$ test $(wc -c <v1.onnx) -lt $(wc -c <$SOURCE/examples/faces/faces.onnx)

# One cut, and why.
$ coppice prune model --macs 60% --data calib --val val --samples 70 --name half
> reached *% of the MACs; asked for at most 60 %
> *before *after *left %
> MACs *
> milliseconds *
> top-1 *
> same answer *% of the answers on 140 samples (val)
> cut *of 9 groups; 2 are frozen
> by *reconstruction, 70 samples; repaired by least squares
> kept as half; next: *
$ coppice prune model --params 70k --data calib --samples 35 --name small --score magnitude --json | json_check $SOURCE/docs/json.md prune
> keys as documented
# Whether a busy machine lets it reach a time is not a matter for this test; that it says so is.
$ s=0; coppice prune model --latency 70% --data calib --samples 35 --name fast --json -q >fast.json 2>fast.err || s=$?; case $s in 0) grep -c '"faster"' fast.json ;; 4) grep -c '^coppice: ' fast.err ;; esac
> 1
$ coppice prune $SOURCE/examples/faces/faces.onnx --macs 70% -o cut.onnx -q
> reached *% of the MACs*
> same answer  not compared: no images
> by *512 made-up pictures; no images were given: channels merged*
> wrote cut.onnx
$ coppice inspect ./cut.onnx --no-time >/dev/null
$ coppice prune model --macs 1% --data calib --name none -q
! coppice: out of reach: *
= 4
$ coppice show none
! coppice: no model 'none'*
= 3
$ coppice prune model --macs 60% --data calib --name half
! coppice: there is a model 'half' already
= 2
$ coppice prune model --macs 60% --data calib --name x --score beauty
! coppice: no score is called 'beauty'; there are: *magnitude*
= 2
$ coppice prune model --macs 160% --data calib --name x
! coppice: nothing to cut: *
= 2
$ coppice prune model --data calib --name x
! coppice: say what may remain: *
= 2
# Merging by made-up pictures beats plain magnitude by far.
$ coppice prune model --macs 60% --val val --name blind --json -q >blind.json
$ coppice prune model --macs 60% --val val --name plain --score magnitude --no-repair --json -q >plain.json
$ agreement() { sed -n 's/.*"agreement":[^0-9]*\([0-9]*\).*/\1/p' $1.json; }; test $(agreement blind) -gt $(($(agreement plain) + 20)) || { agreement blind; agreement plain; exit 1; }
$ coppice why half stage2.0.conv1
> stage2.0.conv1: * of 64 channels removed: *saved *
$ coppice why half stage2.0.conv1:0
> channel 0 of stage2.0.conv1 *: rank * of 64 * stage2.0.conv1.weight?axis 0: 0?, *
$ coppice why half logits:2
> channel 2 of logits stayed: the layer is frozen because it is the network's output 'logits'.
$ coppice why half stage2.0.conv1:0 --json | json_check $SOURCE/docs/json.md why
> keys as documented
$ coppice why half nowhere
! coppice: no layer 'nowhere' in a group of 'half'*
= 3
$ coppice why model stem
! coppice: nothing was cut to make 'model': *
= 3
$ coppice verify >/dev/null

$ coppice doctor
> processor *
> instructions *
> oneDNN *
> BLAS            OpenBLAS *
> peak            * GFLOP/s in multiply-adds, * GB/s read, on 1 thread
> peak            * GFLOP/s in multiply-adds, * GB/s read, on * thread*
> self test       passed
$ coppice doctor --json | json_check $SOURCE/docs/json.md doctor
> keys as documented
