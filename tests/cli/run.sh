#!/bin/sh
# Runs a script of commands (tests/cli/*.t) in a fresh folder and compares what they print.
#   usage: run.sh BUILD SOURCE SCRIPT.t
# Lines of a script:
#   $ command     run by sh, with coppice and json_check on the PATH, $SOURCE and $BUILD set
#   > pattern     stdout has a line like that, behind the line matched before
#   ! pattern     the same of stderr
#   >! pattern    no line of stdout is like that
#   = status      exit status; 0 when not given
#   # comment
# Patterns are those of sh: * ? [...].
build=$1
SOURCE=$2
script=$3
BUILD=$build
PATH=$build:$build/tests/cli:$build/examples:$PATH
export PATH SOURCE BUILD
unset NO_COLOR
work=$(mktemp -d "${TMPDIR:-/tmp}/coppice-cli.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/here" && cd "$work/here" || exit 1
bad=0
n=0
command=

say() {
    echo "$script: $*"
    echo "  \$ $command"
    bad=1
}

# Whether the lines of file $1 hold the patterns of file $2 in that order.
find_in_order() {
    exec 3<"$1"
    while IFS= read -r pattern; do
        found=
        while IFS= read -r line <&3 || [ -n "$line" ]; do
            # shellcheck disable=SC2254
            case $line in
            $pattern) found=1; break ;;
            esac
            line=
        done
        if [ -z "$found" ]; then
            say "no line like: $pattern"
            sed 's/^/  | /' "$1"
            break
        fi
    done <"$2"
    exec 3<&-
}

find_none() {
    while IFS= read -r pattern; do
        while IFS= read -r line; do
            # shellcheck disable=SC2254
            case $line in
            $pattern) say "unwanted line: $line" ;;
            esac
        done <"$1"
    done <"$2"
}

# Runs the command collected so far and judges it.
finish() {
    [ -n "$command" ] || return 0
    n=$((n + 1))
    sh -c "$command" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ "$got" != "$want" ]; then
        say "exit status $got, expected $want"
        sed 's/^/  | /' "$work/out" "$work/err"
    fi
    find_in_order "$work/out" "$work/want_out"
    find_in_order "$work/err" "$work/want_err"
    find_none "$work/out" "$work/no_out"
    command=
}

start() {
    command=$1
    want=0
    : >"$work/want_out"
    : >"$work/want_err"
    : >"$work/no_out"
}

while IFS= read -r row || [ -n "$row" ]; do
    case $row in
    '$ '*) finish; start "${row#??}" ;;
    '> '*) echo "${row#??}" >>"$work/want_out" ;;
    '! '*) echo "${row#??}" >>"$work/want_err" ;;
    '>! '*) echo "${row#???}" >>"$work/no_out" ;;
    '= '*) want=${row#??} ;;
    '' | '#'*) ;;
    *) echo "$script: what is this line: $row"; bad=1 ;;
    esac
done <"$script"
finish
[ "$n" -gt 0 ] || { echo "$script: no commands"; bad=1; }
[ $bad = 0 ] && echo "$script: $n commands as expected"
exit $bad
