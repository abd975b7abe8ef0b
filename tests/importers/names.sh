#!/bin/sh
# Readers, writers and the graph know no operator by name: none of the names of the rows in
# ops/ stands between quotes in their sources.  The readers of other formats than ONNX are
# exempt: they say what operators the layers of their files become.  usage: names.sh SOURCE_DIR
cd "$1" || exit 1
names=$(cat ops/*.c 2>/dev/null | sed -n 's/^ *\.name = "\([A-Z][A-Za-z0-9]*\)".*/\1/p')
readers=$(ls importers/*.[ch] | grep -v -e /keras_ -e /tf_)
bad=0
for name in $names; do
    grep -n "\"$name\"" $readers exporters/*.[ch] graph/*.[ch] && bad=1
done
[ $bad = 0 ] && echo "names: none of $(echo "$names" | wc -w) operators"
exit $bad
