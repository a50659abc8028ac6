#!/usr/bin/env bash
# jcstress on how the store publishes events: on the store as it is, which must show nothing forbidden, and on a twin that
# publishes the head before the events, which must. Leave the machine alone meanwhile.
#
#   benchmarks/jcstress/run.sh          about four minutes on two cores; writes benchmarks/jcstress/results.md
#   benchmarks/jcstress/run.sh --smoke  a few samples, to see that it runs: too few for the defect, so it ends with 1
#
# With other options for jcstress: mvn -q -Pjcstress package -DskipTests, then java -jar benchmarks/jcstress/target/jcstress.jar
set -euo pipefail
cd "$(dirname "$0")/../.."

mode=quick
results=benchmarks/jcstress/results.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ "${1:-}" = --smoke ]; then
    mode=sanity
    results=$work/results.md
fi
bin=${JAVA_HOME:+$JAVA_HOME/bin/}
jar=$PWD/benchmarks/jcstress/target/jcstress.jar

# The store with one line moved: the head is published, and the events are written then.
plant() {
    local source=cqrs-inmemory/src/main/java/dev/cqrs/inmemory/InMemoryEventStore.java
    awk '
        /^import org\.jspecify/ { next } # not in the jar
        { gsub(/@Nullable /, "") }
        /head\.setRelease\(position\);/ { removed++; next }
        { print }
        /private void write\(/ { inside = 1 }
        inside && /int position = head\.getPlain\(\);/ {
            print "        head.setPlain(position + batch.length);"
            added++
            inside = 0
        }
        END { exit !(removed == 1 && added == 1) }
    ' "$source" >"$work/InMemoryEventStore.java" || {
        echo "the twin: expected one place to publish the head in $source; mend the pattern in $0" >&2
        exit 1
    }
    "${bin}javac" -proc:none -cp "$jar" -d "$work/planted" "$work/InMemoryEventStore.java" 2>"$work/javac" || {
        cat "$work/javac" >&2
        exit 1
    }
}

run() { # a folder, class path, then jcstress's arguments
    local folder=$work/$1 path=$2
    shift 2
    echo "$(date +%T) jcstress -m $mode $*" >&2
    mkdir "$folder"
    (cd "$folder" && "${bin}java" -cp "$path" org.openjdk.jcstress.Main -v -m "$mode" -sc false "$@" >log 2>&1) || true
    sed -n '/^RUN RESULTS:/,$p' "$folder/log" >"$folder/summary"
    grep -q '^  Error tests: No matches' "$folder/summary" || {
        tail -60 "$folder/log" >&2
        exit 1
    }
}

forbidden() { ! grep -q '^  Failed tests: No matches' "$work/$1/summary"; }

# The table of a run: all configurations of the compiler together.
table() {
    awk '
        /^\.+ \[/ { test = $NF; sub(/.*\./, "", test) }
        /^  Results across all configurations/ { inside = 1 }
        inside && /(Acceptable|Forbidden)/ && NF > 3 {
            seen = $1; samples = $2; gsub(/,/, "", samples)
            expected = /Forbidden/ ? "**forbidden**" : "allowed"
            print "| " store " | " test " | " seen " | " samples " | " expected " |"
        }
    ' store="$2" "$work/$1/summary"
}

mvn -q -Pjcstress -pl benchmarks/jcstress -am package -DskipTests
plant
run store "$jar"
run twin "$work/planted:$jar" -t PublishedInLog

{
    echo "# How the store publishes events: what readers saw"
    echo
    echo "Made by \`benchmarks/jcstress/run.sh\`, which fails if a reader of the store sees what is forbidden, or if none of"
    echo "the twin does, in which the head is published before the events. A reader sees 0 or all 16 events of a batch that"
    echo "is being appended, each with its tag, time and metadata; -1 stands for anything else."
    echo
    echo "- jcstress 0.16, mode \`$mode\` without split compilation; $(date +%F); commit $(git rev-parse --short HEAD)"
    echo "- $("${bin}java" -version 2>&1 | tail -1); $(uname -m), $(nproc) processors"
    echo "- On x86_64 stores are not reordered with stores: what is tested is what the compilers do."
    echo
    echo "| store | test | events seen | samples | |"
    echo "|---|---|---|---|---|"
    table store "as it is"
    table twin "twin"
} >"$work/results.md"
[ "$results" = "$work/results.md" ] || cp "$work/results.md" "$results"
cat "$work/results.md"
if forbidden store; then
    echo "a reader of the store saw what is forbidden" >&2
    exit 1
fi
if ! forbidden twin; then
    echo "no reader saw the defect that was planted in the twin: this run proves nothing" >&2
    exit 1
fi
