# What a user gets wrong, and what the program says to it.

$ coppice
! coppice - smaller, faster networks*
! coppice: no verb given
= 2

$ coppice --help
> coppice - smaller, faster networks*
> Examples
>   coppice init faces.coppice
> Verbs
>   init *
>   doctor *
> Exit status

$ coppice --version
> coppice [0-9]*.[0-9]*.[0-9]*

$ coppice help eval
> coppice eval - *
> Examples
>   coppice eval model --data val
> Usage
>   coppice eval MODEL --data NAME [[]OPTIONS]
> Options
>       --data NAME|PATH *(required)
> Options of every verb
>   -p, --project FILE *

$ coppice eval --help
> coppice eval - *
$ coppice help data add
> coppice data add - *
$ coppice help data
>   coppice data add *
>   coppice data check *
$ coppice data -h
>   coppice data list *

$ coppice help evla
! coppice: unknown verb 'evla'; did you mean 'eval'[?]
= 2
$ coppice evla
! coppice: unknown verb 'evla'; did you mean 'eval'[?]
= 2
$ coppice xyzzy
! coppice: unknown verb 'xyzzy'; 'coppice help' lists the verbs
= 2
$ coppice data
! coppice: 'data' needs one more word*
= 2
$ coppice data chekc val
! coppice: unknown verb 'data chekc'; did you mean 'data check'[?]
= 2

$ coppice eval model --dta val
! coppice: eval: unknown option --dta; did you mean --data[?]
! 'coppice eval --help' tells more
= 2
$ coppice eval model --date=val
! coppice: eval: unknown option --date=val; did you mean --data[?]
= 2
$ coppice list --jsn
! *did you mean --json[?]
= 2
$ coppice list -z
! coppice: list: unknown option -z
= 2
$ coppice eval model
! coppice: eval: option --data NAME|PATH is missing
= 2
$ coppice eval model --data
! coppice: option --data needs NAME|PATH
= 2
$ coppice eval
! coppice: eval: too few words; usage: coppice eval MODEL --data NAME
= 2
$ coppice list too many
! coppice: list: unexpected word 'too'*
= 2
$ coppice list -- --json
! coppice: list: unexpected word '--json'*
= 2
$ coppice list --json=1
! coppice: option --json takes no value: --json=1
= 2

$ coppice bench model --batch 0
! coppice: option --batch: 0 is below 1
= 2
$ coppice bench model --batch 99999999999999999999
! *is not a whole number
= 2
$ coppice bench model --batch 2.5
! *'2.5' is not a whole number
= 2
$ coppice bench model --auto --streams 2
! coppice: only one of --runs, --streams, --throughput and --auto can be given
= 2
$ coppice list --threads 5000
! coppice: option --threads: 5000 is above 1024
= 2
$ coppice synth model --data d --max-latency 60
! coppice: option --max-latency: '60' is not a latency*
= 2
$ coppice synth model --data d --max-latency -5ms
! *is not a latency*
= 2
$ coppice synth model --data d --max-drop nan
! *'nan' is not a number
= 2
$ coppice synth model --data d --time 5x
! coppice: option --time: '5x' is not a time like 90s, 5m or 1h
= 2
$ coppice synth model --data d --max-macs 150%
! coppice: option --max-macs: 150% is above 100
= 2

# Projects that are not there, or not projects.
$ coppice list
! coppice: no project file here; *
= 2
$ coppice list -p nowhere.coppice
! coppice: nowhere.coppice: no such project file
= 5
$ echo rubbish, much longer than any header could be >rubbish.coppice; coppice list -p rubbish.coppice
! coppice: *rubbish.coppice*
= 5
$ rm rubbish.coppice; coppice init one
> created one.coppice
$ coppice init one.coppice
! coppice: one.coppice: there is such a file already
= 2
$ coppice init nowhere/two
! coppice: *nowhere/two.coppice*
= 5
$ coppice list
> no models yet; *
$ coppice data list
> no data sets yet; *
$ coppice init two --json | json_check $SOURCE/docs/json.md init
$ coppice list
! coppice: 2 project files here (*); choose by -p
= 2
$ coppice list -p one.coppice --json | json_check $SOURCE/docs/json.md list
$ coppice show V9 -p one.coppice
! coppice: no model 'V9'*
= 3
$ coppice inspect V9 -p one.coppice
! coppice: no model 'V9'*
= 3
$ coppice data check nothing -p one.coppice
! coppice: *'nothing'*
= 3

# A reader that leaves early ends the command as it ends any other.
$ (sleep 0.5; coppice --help; echo $? >status) | true; cat status
> 141

# Nobody reads: the failure of writing is told.
$ coppice --help >/dev/full
! coppice: writing the result failed: *
= 1
