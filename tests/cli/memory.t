# The largest network of the zoo, 553 MB of weights: what the plan says it takes is what the
# process takes, and the file is never whole in memory beside what is packed from it.

$ coppice new vgg16 -o vgg16.onnx
$ printf '%s' 'field() { awk -v RS=, -v FS=: -v key="$1" "index(\$1, key) { printf \"%.0f\", \$2 }" $2; }' >field.sh
$ coppice inspect ./vgg16.onnx --profile --runs 1 --json >profile
$ peak_of peak coppice bench ./vgg16.onnx --untuned --runs 2 --json >bench
$ . ./field.sh; plan=$(field peak_bytes bench); peak=$(cat peak); own=$((peak - plan)); echo "plan $plan process $peak"; test $own -ge 0 && test $own -le 50000000
> plan [1-9]* process [1-9]*
$ . ./field.sh; least=$(($(wc -c <vgg16.onnx) + $(field activation_bytes profile))); test $(cat peak) -le $((least * 13 / 10))
$ . ./field.sh; parts=$(($(field weights_bytes profile) + $(field activation_bytes profile) + $(field scratchpad_bytes profile))); test $parts -eq $(field peak_bytes bench)

# The same out of a project, whose records are not a file to map.
$ coppice init p.coppice -q && coppice import vgg16.onnx --name vgg -q >/dev/null
$ peak_of peak coppice bench vgg --untuned --runs 2 --json >bench
$ . ./field.sh; least=$(($(wc -c <vgg16.onnx) + $(field activation_bytes profile))); echo "process $(cat peak) least $least"; test $(cat peak) -le $((least * 13 / 10))
> process *
