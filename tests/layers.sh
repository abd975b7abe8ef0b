#!/bin/sh
# The include rules of ARCHITECTURE.md and the banned calls, checked over the tree.
# Prints every offence; exit status 1 if there is one.
cd "$(dirname "$0")/.." || exit 1
bad=0
say() { echo "layers: $*"; bad=1; }

# folder: what it may include besides itself
allowed() {
    low="base graph"
    mid="$low engine data importers exporters store zoo"
    case $1 in
    base) echo "" ;;
    graph) echo "base" ;;
    ops) echo "$low" ;;
    engine | data | importers | exporters) echo "$low" ;;
    store) echo "base" ;;
    zoo) echo "$low ops" ;;
    prune | quant | train | explain) echo "$mid" ;;
    synth) echo "$mid prune quant train explain" ;;
    esac
}
# Facet headers: how ops/ rows bind to the concern folders.  They see base/ and graph/ only.
facets="engine/emit.h prune/coupling.h explain/relevance.h"

for folder in base graph ops engine data importers exporters prune quant train synth explain store zoo; do
    ok=" $folder $(allowed $folder) "
    for file in "$folder"/*.[ch]; do
        [ -e "$file" ] || continue
        sed -n 's/^#include "\([^"]*\)".*/\1/p' "$file" | while read -r header; do
            case $header in *.pb-c.h) continue ;; esac
            from=${header%%/*}
            case $header in */*) ;; *) echo "$file includes \"$header\" without its folder" ;; esac
            case " $ok " in *" $from "*) continue ;; esac
            if [ "$folder" = ops ]; then
                case " $facets " in *" $header "*) continue ;; esac
            fi
            echo "$file ($folder) may not include $header"
        done
    done
done >"${TMPDIR:-/tmp}/layers.$$"
for header in $facets; do
    sed -n 's/^#include "\([^"]*\)".*/\1/p' "$header" | grep -v -e '^base/' -e '^graph/' |
        sed "s|^|$header is a facet header and may not include |" >>"${TMPDIR:-/tmp}/layers.$$"
done

# third-party headers stay in their folders
only() { # pattern, allowed path prefixes
    pattern=$1
    shift
    grep -nE "^#include <($pattern)" -r base graph ops engine data importers exporters prune quant \
        train synth explain store zoo cli --include='*.[ch]' | while IFS=: read -r file _ line; do
        for prefix in "$@"; do case $file in "$prefix"*) continue 2 ;; esac done
        echo "$file: $line belongs in $*"
    done >>"${TMPDIR:-/tmp}/layers.$$"
}
only 'omp\.h' base/
only 'oneapi/|dnnl' engine/dnnl_shim
only 'jpeglib|png\.h' data/ explain/png
only 'protobuf-c' importers/ exporters/
only 'hdf5' importers/hdf5_scan
only 'curl/' exporters/
only 'lapacke|cblas' prune/
only 'sqlite3' store/
only 'cjson/' cli/ explain/ synth/ importers/

# banned calls
ban() { # regex, message, then folders' exceptions
    regex=$1
    why=$2
    shift 2
    grep -nE "(^|[^a-zA-Z0-9_])($regex)" -r base graph ops engine data importers exporters prune quant \
        train synth explain store zoo cli --include='*.[ch]' | grep -vE '^[^:]*:[0-9]+: *(/?\*|//)' |
        while IFS=: read -r file number line; do
            for prefix in "$@"; do case $file in "$prefix"*) continue 2 ;; esac done
            echo "$file:$number: $why: $line"
        done >>"${TMPDIR:-/tmp}/layers.$$"
}
ban '(malloc|calloc|realloc|free|aligned_alloc|strdup|strndup)\(' 'heap calls live in base/' base/
ban '(strcpy|strcat|sprintf|vsprintf|atoi|atol|atof|gets)\(' 'unsafe call'
ban '(printf|puts|putchar)\(' 'printing lives in cli/' cli/
ban '(exit|_exit|abort)\(' 'only cli/main.c ends the process' cli/main.c base/child.c
grep -nE 'goto ' -r base graph ops engine data importers exporters prune quant train synth explain store zoo cli \
    --include='*.c' | grep -v 'goto done;' | sed 's/^/only goto done: /' >>"${TMPDIR:-/tmp}/layers.$$"
grep -rnE 'clang-format off' base graph ops engine data importers exporters prune quant train synth explain store zoo cli \
    --include='*.[ch]' | sed 's/^/no clang-format off: /' >>"${TMPDIR:-/tmp}/layers.$$"

# sizes
for file in $(find base graph ops engine data importers exporters prune quant train synth explain store zoo cli tests examples bench -name '*.c'); do
    n=$(wc -l <"$file")
    [ "$n" -le 700 ] || echo "$file has $n lines, at most 700" >>"${TMPDIR:-/tmp}/layers.$$"
done

[ -s "${TMPDIR:-/tmp}/layers.$$" ] && { cat "${TMPDIR:-/tmp}/layers.$$"; bad=1; }
rm -f "${TMPDIR:-/tmp}/layers.$$"
[ $bad = 0 ] && echo "layers: clean"
exit $bad
