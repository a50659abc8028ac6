#!/usr/bin/env bash
# Plants each defect of this folder in a copy of the last commit, runs the test that has to catch it, and says whether it did.
#
#   cqrs-testing/planted/run.sh          all of them, about 45 minutes; writes results.md
#   cqrs-testing/planted/run.sh 07 21    these only; replaces their rows
#
# MVN says how Maven is called (mvn; "mvn -o" where there is no network), JAVA_HOME with which JDK, 17 or later.
#
# A defect is CAUGHT if its test fails: by an assertion, by a limit on time of the test's own, or by what the code under test
# throws. It is MISSED if the test passes. It is BROKEN if there is no verdict: it does not compile, the test does not run
# or never ends. Only if all are caught the script ends well.
set -euo pipefail
planted=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$planted/../.." && pwd)
results=$planted/results.md
mvn=${MVN:-mvn}
jdk=$("${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | sed -n 's/.*version "\([^"]*\)".*/\1/p')
commit=$(git -C "$root" rev-parse --short HEAD)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CEILING_DIRECTORIES=$work # the copy is no repository, whatever is around it

if [ $# -gt 0 ]; then
    patches=()
    for number in "$@"; do
        patches+=("$planted/$number"-*.patch)
    done
else
    patches=("$planted"/[0-9]*.patch)
fi

mkdir "$work/tree"
git -C "$root" archive HEAD | tar -x -C "$work/tree"
cd "$work/tree"
# It is the tests that are examined here: what the compiler or Error Prone would say of a defect does not count.
sed -i.bak -e '/<arg>-Werror<\/arg>/d' -e '/<arg>-Xplugin:ErrorProne/d' pom.xml

header() { sed -n "s/^$1: *//p" "$2" | head -n 1; }

# module, class and method of a patch's test; the method may be empty
module() { header 'Caught by' "$1" | cut -d ' ' -f 1; }
test_of() { header 'Caught by' "$1" | cut -d ' ' -f 2; }

# maven MODULES TESTS: builds the modules, with what they stand on, and runs the tests; fails only if that cannot be built.
maven() {
    rm -rf cqrs-*/target/surefire-reports
    $mvn -q -B -ntp -pl "$1" -am test "-Dtest=$2" -Dsurefire.failIfNoSpecifiedTests=false \
        -Dmaven.test.failure.ignore=true -Dsurefire.timeout=600 </dev/null >"$work/log" 2>&1
}

# Prints "name<TAB>outcome<TAB>message" for each test of MODULE and CLASS[#METHOD] that was run: passed, failed or threw.
outcomes() {
    local class=${2%%#*} method=
    case $2 in *'#'*) method=${2#*#} ;; esac
    { cat "$1"/target/surefire-reports/TEST-*."$class".xml 2>/dev/null || true; } | awk -v method="$method" '
        function attribute(name,   found) {
            if (!match($0, "[ \t]" name "=\"[^\"]*\"")) return ""
            found = substr($0, RSTART, RLENGTH)
            sub("^[ \t]" name "=\"", "", found); sub("\"$", "", found)
            return found
        }
        function flush() {
            if (test != "" && outcome != "skipped" && (method == "" || test == method || index(test, method "(") == 1 \
                    || index(test, method "[") == 1 || index(test, method "{") == 1))
                print test "\t" outcome "\t" message
            test = ""
        }
        /<testcase / { flush(); test = attribute("name"); outcome = "passed"; message = "" }
        /<(failure|error)/ && outcome == "passed" {
            type = attribute("type"); sub(/.*[.]/, "", type)
            # without its classes a test says nothing
            if (type ~ /NoClassDefFoundError|NoSuchMethodError|ClassNotFoundException/) { test = ""; next }
            outcome = /<failure/ ? "failed" : "threw"
            message = attribute("message")
            sub(/^(&#10;|&#13;|[ \t])+/, "", message)
            gsub(/&#10;(&#10;|&#13;|[ \t])*/, " ", message)
            gsub(/&lt;/, "<", message); gsub(/&gt;/, ">", message); gsub(/&quot;/, "\"", message)
            gsub(/&apos;/, "\047", message); gsub(/&#9;/, " ", message); gsub(/&amp;/, "\\&", message)
            message = type ": " message
        }
        /<skipped/ { outcome = "skipped" }
        END { flush() }'
}

# ---- first without any defect: every one of these tests is there, and passes

modules=$(for patch in "${patches[@]}"; do module "$patch"; done | sort -u | paste -sd, -)
tests=$(for patch in "${patches[@]}"; do test_of "$patch"; done | sort -u | paste -sd, -)
echo "without a defect: ${#patches[@]} defects' tests in $modules"
if ! maven "$modules" "$tests"; then
    cat "$work/log"
    echo "The copy cannot be built." >&2
    exit 1
fi
for patch in "${patches[@]}"; do
    found=$(outcomes "$(module "$patch")" "$(test_of "$patch")")
    if [ -z "$found" ] || grep -qv "$(printf '\tpassed\t')" <<<"$found"; then
        tail -n 60 "$work/log"
        echo "$(test_of "$patch"), which has to catch $(basename "$patch"), does not run, or not pass, without it:" >&2
        grep -v "$(printf '\tpassed\t')" <<<"$found" | cut -f 1,3 >&2 || true
        exit 1
    fi
done

# ---- then each by itself

rows=$work/rows
missed=0
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    if ! git apply "$patch"; then
        echo "$name does not apply." >&2
        exit 1
    fi
    begun=$SECONDS
    verdict=CAUGHT
    if ! maven "$(module "$patch")" "$(test_of "$patch")"; then
        verdict=BROKEN
        message="it does not compile, or its test never ends"
    else
        found=$(outcomes "$(module "$patch")" "$(test_of "$patch")")
        bad=$(awk -F '\t' '$2 != "passed" { print $1 "\t" $3; exit }' <<<"$found")
        message=${bad#*$'\t'}
        if [ -z "$found" ]; then
            verdict=BROKEN
            message="its test has not run"
        elif [ -z "$bad" ]; then
            verdict=MISSED
            message="its test passes"
        fi
    fi
    git apply -R "$patch"
    seconds=$((SECONDS - begun))
    [ $verdict = CAUGHT ] || { missed=$((missed + 1)); cp "$work/log" "${TMPDIR:-/tmp}/planted-$name.log"; }
    message=$(printf '%s' "$message" | tr '|`' "/'")
    message=${message:0:160}
    printf '%-7s %s (%s s): %s\n' $verdict "$name" $seconds "$message"
    printf '| %s | %s | `%s` | %s | `%s` | %s | %s | %s |\n' "${name%%-*}" "$(header Planted "$patch")" \
        "$(test_of "$patch")" $verdict "$message" $seconds "$jdk" "$commit" >>"$rows"
done

caught=$((${#patches[@]} - missed))
echo "$caught of ${#patches[@]} caught"

# ---- the rows of this run, and those of an earlier one that still have their defect and were not run now

if [ -f "$results" ]; then
    { grep -E '^\| [0-9]' "$results" || true; } | while read -r row; do
        number=$(cut -d'|' -f2 <<<"$row" | tr -d ' ')
        grep -q "^| $number |" "$rows" || ! compgen -G "$planted/$number-*.patch" >/dev/null || echo "$row"
    done >"$work/earlier"
    cat "$work/earlier" >>"$rows"
fi
{
    echo "# Planted defects, and what caught them"
    echo
    echo "Written by [run.sh](run.sh): $(grep -c '| CAUGHT |' "$rows" || true) of $(wc -l <"$rows" | tr -d ' ') caught."
    echo
    echo "| | planted | test | | its message | s | JDK | commit |"
    echo "|---|---|---|---|---|---|---|---|"
    sort -t'|' -k2,2n "$rows"
} >"$work/results.md"
cp "$work/results.md" "$results"
[ "$missed" = 0 ]
