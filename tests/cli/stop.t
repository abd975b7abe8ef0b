# Stopping a search: Ctrl-C, a second time, SIGTERM, kill -9; the same command goes on.

$ faces val.bin --n 700 --seed 12 --format records && faces calib.bin --n 140 --seed 11 --format records
$ coppice init p && coppice import $SOURCE/examples/faces/faces.onnx --name model && coppice data add val.bin --name val --shape 3x48x48 && coppice data add calib.bin --name calib --shape 3x48x48
$ printf '%s\n' 'exec coppice synth model --data calib --val val --max-macs 90% --max-drop 90 --variants 3 --samples 140 --time 5m "$@"' >search.sh
$ printf '%s\n' 'n=0; while [ $n -lt 1200 ] && ! grep -q "^$1" $2; do sleep 0.1; n=$((n + 1)); done' >wait_for.sh

# Asked to stop: the step in hand is ended or given up, nothing is half done.
$ sh search.sh 2>err & pid=$!; sh wait_for.sh reachable: err; kill -INT $pid; wait $pid; status=$?; grep -c 'goes on' err; exit $status
> 1
= 130
$ sh search.sh 2>err & pid=$!; sh wait_for.sh reachable: err; kill -TERM $pid; wait $pid
= 143
$ coppice list
> model *

# Killed as soon as the first candidate is stored.
$ sh search.sh 2>err & pid=$!; sh wait_for.sh 'candidate 1:' err; kill -KILL $pid; wait $pid
= 137
$ sh search.sh --json 2>err
> *"resumed":*true,*
> *"finished":*true,*
> *"tried":*[123],*
$ grep -c '^candidate 1:' err
> 0
= 1
$ coppice synth model --data calib --val val --max-macs 90% --max-drop 90 --variants 3 --samples 140 --time 5m --seed 2 2>err & pid=$!; sh wait_for.sh reachable: err; kill -INT $pid; kill -INT $pid; wait $pid
= 130
