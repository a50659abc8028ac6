#!/usr/bin/env bash
# Runs all tests of the last commit again and again, to find those that fail by chance, and adds a row to results/runs.md.
#
#   cqrs-testing/again.sh 50    nine to sixteen minutes a run on two cores
#
# MVN says how Maven is called (mvn; "mvn -o" where there is no network), JAVA_HOME with which JDK, 17 or later. A run that
# fails ends it: what failed is printed and stands in the row, as there is no such thing as a test that fails sometimes.
set -euo pipefail
runs=${1:?how many runs}
root=$(cd "$(dirname "$0")/.." && pwd)
mvn=${MVN:-mvn}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
work=$(mktemp -d)
commit=$(git -C "$root" rev-parse --short HEAD)

mkdir "$work/tree"
git -C "$root" archive HEAD | tar -x -C "$work/tree"
cd "$work/tree"

# How many tests the reports of a run count.
counted() {
    { find . -name 'TEST-*.xml' -path '*/surefire-reports/*' -exec sed -n 's/^<testsuite .* tests="\([0-9]*\)".*/\1/p' {} +; } \
        | awk '{ tests += $1 } END { print tests + 0 }'
}

green=0
tests=0
failed=none
begun=$SECONDS

# What was run counts, however the script ends.
finish() {
    local version
    version=$("$java" -version 2>&1 | sed -n 's/.*version "\([^"]*\)".*/\1/p' | head -n 1)
    echo "| $(date +%F) | $commit | $version | $green | $tests | $failed | $(((SECONDS - begun) / 60)) |" \
        >>"$root/cqrs-testing/results/runs.md"
    if [ "$failed" = none ]; then rm -rf "$work"; else echo "its reports: $work"; fi
}
trap finish EXIT
trap 'exit 1' INT TERM

for ((run = 1; run <= runs; run++)); do
    find . -name surefire-reports -prune -exec rm -rf {} +
    # benchmarks has no tests; and what the first run has compiled the others find up to date
    if ! $mvn -B -ntp verify -pl '!benchmarks' -Dspotless.check.skip -Dmaven.javadoc.skip \
        -Dmaven.compiler.useIncrementalCompilation=false </dev/null >"$work/log" 2>&1; then
        failed=$(grep -hoE '^\[ERROR\]   [A-Za-z]+Test[.:][^ ]*' "$work/log" | head -n 1 | sed 's/^\[ERROR\] *//' || true)
        failed=${failed:-see above}
        grep -E '^\[ERROR\]' "$work/log" | head -n 60
        break
    fi
    green=$run
    tests=$(counted)
    echo "$(date +%T) run $run of $runs: $tests tests"
done
[ "$failed" = none ]
