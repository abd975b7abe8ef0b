#!/bin/sh
# docs/imports.md lists the operators of importers/tf_table.c.
#   usage: tf_operators.sh SOURCE [--write]
doc=$1/docs/imports.md
list=$(sed -n 's/^    {"\([A-Za-z0-9]*\)",.*/`\1`/p' "$1/importers/tf_table.c" | sed '$!s/$/,/' | fmt -w 128)
now=$(sed -n '/^<!-- operators/,/^<!-- end/p' "$doc" | sed '1d;$d')
[ -n "$list" ] && [ "$list" = "$now" ] && exit 0
if [ "${2:-}" = --write ]; then
    printf '%s\n' "$list" >"$doc.list"
    sed -i -e "/^<!-- operators/r $doc.list" -e '/^<!-- operators/,/^<!-- end/{/^<!--/!d}' "$doc"
    rm "$doc.list"
    exit 0
fi
echo "docs/imports.md: the operators are others now: tests/importers/tf_operators.sh . --write"
exit 1
