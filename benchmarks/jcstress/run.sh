#!/usr/bin/env bash
# jcstress on what threads share: on the library as it is, which must show nothing forbidden, and on planted twins, each of
# which must. Leave the machine alone meanwhile.
#
#   benchmarks/jcstress/run.sh                   all tests, about a minute each on two cores; writes benchmarks/jcstress/results.md
#   benchmarks/jcstress/run.sh Append Published  the tests whose names begin so, and their twins: their rows are replaced
#   benchmarks/jcstress/run.sh --smoke           a few samples, to see that it runs: too few for the defects, so it ends with 1
#
# On another JDK: JAVA_HOME. With other options for jcstress: mvn -q -Pjcstress package -DskipTests, then
# java -jar benchmarks/jcstress/target/jcstress.jar
set -euo pipefail
cd "$(dirname "$0")/../.."

mode=quick
results=$PWD/benchmarks/jcstress/results.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ "${1:-}" = --smoke ]; then
    mode=sanity
    results=$work/results.md
    shift
fi
bin=${JAVA_HOME:+$JAVA_HOME/bin/}
jar=$PWD/benchmarks/jcstress/target/jcstress.jar
jdk=$("${bin}java" -version 2>&1 | sed -n 's/.*version "\([^"]*\)".*/\1/p')
commit=$(git rev-parse --short HEAD)
names=$(IFS='|' && echo "${*:-[A-Z]}")

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

run() { # a folder, class path, tests
    local folder=$work/$1
    echo "$(date +%T) jcstress -m $mode -t $3" >&2
    mkdir "$folder"
    (cd "$folder" && "${bin}java" -cp "$2" org.openjdk.jcstress.Main -v -m "$mode" -sc false -t "$3" >log 2>&1) || true
    sed -n '/^RUN RESULTS:/,$p' "$folder/log" >"$folder/summary"
    grep -q '^  Error tests: No matches' "$folder/summary" || {
        tail -60 "$folder/log" >&2
        exit 1
    }
}

# The rows of a run: all configurations of the compiler together.
rows() {
    awk '
        /^\.+ \[/ { test = $NF; sub(/.*\./, "", test) }
        /^  Results across all configurations/ { inside = 1 }
        inside && match($0, /[0-9,]+ +[0-9.<>]+% +(Acceptable|Forbidden) /) {
            seen = substr($0, 1, RSTART - 1)
            gsub(/^ +| +$/, "", seen)
            samples = substr($0, RSTART)
            sub(/ .*/, "", samples)
            gsub(/,/, "", samples)
            what = twin || test ~ /^Twin/ ? "twin" : "as it is"
            name = test
            sub(/^Twin/, "", name)
            expected = /Forbidden/ ? "**forbidden**" : "allowed"
            print "| " name " | " what " | " seen " | " samples " | " expected " | " jdk " | " commit " |"
        }
    ' twin="${2:-}" jdk="$jdk" commit="$commit" "$work/$1/summary"
}

mvn -q -Pjcstress -pl benchmarks/jcstress -am package -DskipTests
run library "$jar" "concurrency\.(Twin)?($names)"
rows library >"$work/new"
if grep -q '^| PublishedInLog |' "$work/new"; then
    plant
    run twin "$work/planted:$jar" 'concurrency\.PublishedInLog'
    rows twin yes >>"$work/new"
fi

{
    echo "# What threads saw of each other"
    echo
    echo "Made by \`benchmarks/jcstress/run.sh\`, which fails if the library shows what is forbidden, or if a twin, in which a"
    echo "defect was planted, does not. What the numbers under *seen* stand for is said in the test of that name; of the store, a"
    echo "reader sees 0 or all 16 events of a batch, each with its tag, time and metadata, and -1 stands for anything else."
    echo
    echo "- jcstress 0.16, mode \`quick\` without split compilation; the last run $(date +%F)"
    echo "- $(uname -m), $(nproc) processors. On x86_64 stores are not reordered with stores: what is tested is what the"
    echo "  compilers do."
    echo
    echo "| test | | seen | samples | | JDK | commit |"
    echo "|---|---|---|---|---|---|---|"
    # Rows of the tests that were not run now stay.
    {
        cut -d'|' -f2,3,7 "$work/new" | sort -u >"$work/run"
        { grep -E '^\| [A-Z]' "$results" 2>/dev/null || true; } | while read -r row; do
            cut -d'|' -f2,3,7 <<<"$row" | grep -qxFf "$work/run" || echo "$row"
        done
        cat "$work/new"
    } | sort -t'|' -k2,3 -k7,7 -k4,4
} >"$work/results.md"
[ "$results" = "$work/results.md" ] || cp "$work/results.md" "$results"
cat "$work/new"
bad=0
while IFS= read -r test; do
    if grep -F "| $test | as it is |" "$work/new" | grep -q forbidden; then
        echo "$test: the library showed what is forbidden" >&2
        bad=1
    fi
    if grep -qF "| $test | twin |" "$work/new" && ! grep -F "| $test | twin |" "$work/new" | grep -q forbidden; then
        echo "$test: the defect that was planted in the twin was not seen: this run proves nothing" >&2
        bad=1
    fi
done < <(cut -d'|' -f2 "$work/new" | sort -u | sed 's/^ //; s/ $//')
exit $bad
