#!/usr/bin/env bash
# Measures everything that the results and README's chart need, beside the peers, and writes it to benchmarks/results/.
#
#   benchmarks/run.sh            all of it: an hour and a quarter on two cores; leave the machine alone meanwhile
#   benchmarks/run.sh --budget   only says how long each part takes
#   benchmarks/run.sh --smoke    one short fork of each, to see that everything runs; keeps no results
#   benchmarks/run.sh --report   only gates and chart, from the results that are there
#
# JAVA_HOME (or the java on the path) is JDK 17, which the gates are defined for. The run beside Axon 5, whose classes
# need a later one, needs JDK 25 in JAVA_HOME_25 and is left out without it.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:-}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
jar=benchmarks/target/benchmarks.jar
work=$(mktemp -d) # logs, and the jar with Axon 5
trap 'rm -rf "$work"' EXIT
results=benchmarks/results
short=()  # for what is measured by the clock
if [ "$mode" = --smoke ]; then
    results=$work
    short=(-wi 1 -i 1 -w 200ms -r 200ms)
fi

# Iterations and heap stand in the annotations of the benchmarks: 3 s (PipelinR and Axon: 7.5 s) a fork of what is measured by the
# clock, and for appends 2 s of warm-up and 17 shots. Five rounds, of the cold start twenty, on PostgreSQL three.
budget() {
    cat <<'TABLE'
part                                                       cells  s a cell  minutes
command, 16 types of 100, all                                  9     18-40      4.2
command, 1 and 100 types of 100, floor and ours               10        18      3.0
command, 1 and 16 types, observation, validation, retry        6        18      1.8
query, 16 types of 100, all                                    8     18-40      3.9
query, 1 type of 100, floor and ours                           4        18      1.2
publish to 3 subscribers, all                                  8     25-45      4.2
publish to 1 and 10 subscribers, floor, ours, Guava            6        25      2.5
cold start (20 forks)                                          4        20      1.3
append of one event, 0 events, all, one thread and two         6     20-45      2.7
append of one event, 10,000 events, all                        4     20-45      1.7
append of one event, 1,000,000 events, floor and ours          2        75      2.5
append of ten events, 0 events, all                            4     20-45      1.8
read of 10, all; of 1,000, floor and ours                      6        35      3.5
replay                                                         3        30      1.5
projection, floor, ours, append alone and inline               4        30      2.0
hand-over, floor and ours                                      2        15      0.5
memory footprint (9 JVMs)                                      3        10      0.5
deciding, floor, ours, with snapshots, Axon 4                  7        50      5.8
deciding with a journal, with a history, floor, alone          4        30      2.0
contention, one thread and eight                               3        25      1.3
queue at full load, 1, 16 and 1,000 keys, all                 12     25-40      5.5
queue, round trip, all                                         4     25-40      1.9
sagas of three steps, all                                      3     25-40      1.9
sagas that wait (6 JVMs)                                       6        15      1.5
ten million events in 2.5 GiB (3 JVMs)                         1        60      1.0
PostgreSQL: append, read, catch-up (own server a fork)         9    60-120     16.0
JDK 25: build, append beside Axon 5                            4        22      2.5
all                                                                            78.2
TABLE
}

jmh() { # name of the result, how many rounds of one fork a cell, then JMH's arguments
    local name=$1 rounds=$2
    shift 2
    [ "$mode" != --smoke ] || rounds=1
    echo "$(date +%T) $name: $rounds rounds of $*"
    tool Rounds "$rounds" "$results/$name.json" "$@" -prof gc -foe true >"$work/$name.log" 2>"$work/$name.err" || {
        tail -40 "$work/$name.log" "$work/$name.err"
        exit 1
    }
}

tool() { # a main class of ours, then its arguments
    local class=$1
    shift
    "$java" -cp "$jar" "dev.cqrs.benchmarks.$class" "$@"
}

build() {
    mvn -q -DskipTests clean package -pl benchmarks -am "$@"
}

report() {
    local files=()
    for name in command command-types query query-types publish publish-others cold append append-filled append-large append-ten read \
        read-long replay projection hand-over footprint decider decider-snapshot decider-axon4 journal contention queue queue-round-trip saga saga-footprint large-log jdbc; do
        [ ! -f "$results/$name.json" ] || files+=("$results/$name.json")
    done
    local axon5=()
    [ ! -f "$results/axon5.json" ] || axon5=(--axon5 "$results/axon5.json")
    local interceptors=()
    [ ! -f "$results/interceptors.json" ] || interceptors=(--interceptors "$results/interceptors.json")
    tool Chart "$results/chart.svg" "${files[@]}"
    tool Gates "${files[@]}" "${axon5[@]}" "${interceptors[@]}" | tee "$results/gates.md"
}

jdk() {
    "$1" -version 2>&1 | sed -n 's/^OpenJDK Runtime Environment //p'
}

machine() {
    local changes
    changes=$(git status --porcelain -- '*.java' '*pom.xml')
    echo "date: $(date -u +%Y-%m-%d)"
    echo "commit: $(git rev-parse HEAD)${changes:+ with changes}"
    echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores," \
        "$(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)"
    echo "system: $(uname -sr)"
    echo "jdk: $(jdk "$java")"
    [ -z "${JAVA_HOME_25:-}" ] || echo "jdk beside Axon 5: $(jdk "$JAVA_HOME_25/bin/java")"
}

case $mode in
--budget)
    budget
    exit
    ;;
--report)
    build
    report
    exit
    ;;
esac

budget
mkdir -p "$results"
if [ -n "${JAVA_HOME_25:-}" ]; then # first, so that the ordinary build is what stays
    JAVA_HOME=$JAVA_HOME_25 build -Paxon5
    cp "$jar" "$work/axon5.jar"
fi
build
machine | tee "$results/machine.txt"

jmh command 5 'CommandDispatchBenchmark' -p types=16 -p handlers=100 "${short[@]}"
jmh command-types 5 'CommandDispatchBenchmark.(floor|cqrs.*)$' -p types=1,100 -p handlers=100 "${short[@]}"
jmh interceptors 5 'CommandDispatchBenchmark.(floor|cqrsThreeInterceptors|cqrsObservationValidationRetry)$' -p types=1,16 \
    -p handlers=100 "${short[@]}"
jmh query 5 'QueryDispatchBenchmark' -p types=16 -p handlers=100 "${short[@]}"
jmh query-types 5 'QueryDispatchBenchmark.(floor|cqrs.*)$' -p types=1 -p handlers=100 "${short[@]}"
jmh publish 5 'EventPublishBenchmark' -p subscribers=3 "${short[@]}"
jmh publish-others 5 'EventPublishBenchmark.(floor|cqrs|guava)$' -p subscribers=1,10 "${short[@]}"
jmh cold 20 'ColdStartBenchmark'
jmh append 5 '[.]AppendBenchmark.(floor|cqrs|axon4|occurrent|floorTwoThreads|cqrsTwoThreads)$' -p events=1 -p preloaded=0
jmh append-filled 5 '[.]AppendBenchmark.(floor|cqrs|axon4|occurrent)$' -p events=1 -p preloaded=10000
jmh append-large 5 '[.]AppendBenchmark.(floor|cqrs)$' -p events=1 -p preloaded=1000000
jmh append-ten 5 '[.]AppendBenchmark.(floor|cqrs|axon4|occurrent)$' -p events=10 -p preloaded=0
jmh read 5 'ReadBenchmark' -p history=10 "${short[@]}"
jmh read-long 5 'ReadBenchmark.(floor|cqrs)$' -p history=1000 "${short[@]}"
jmh replay 5 'ReplayBenchmark' "${short[@]}"
jmh projection 5 'ProjectionBenchmark' "${short[@]}"
jmh hand-over 5 'HandOverBenchmark' "${short[@]}"
tool MemoryFootprint "$results/footprint.json"
jmh decider 5 'DeciderBenchmark.(floor|cqrs)$' -p history=10,1000
jmh decider-snapshot 5 'DeciderBenchmark.cqrsSnapshot$' -p history=100000
jmh decider-axon4 5 'DeciderBenchmark.axon4.*' -p history=1000
jmh journal 5 'JournalBenchmark' -p history=10
jmh contention 5 'ContentionBenchmark' "${short[@]}"
jmh queue 5 'QueueBenchmark.(floor|cqrs|disruptor|axon4)$' "${short[@]}"
jmh queue-round-trip 5 'QueueBenchmark.*RoundTrip' -p keys=1 "${short[@]}"
jmh saga 5 'SagaBenchmark'
tool SagaFootprint "$results/saga-footprint.json"
tool LargeLog "$results/large-log.json"
jmh jdbc 3 'JdbcAppendBenchmark' "${short[@]}"

if [ -n "${JAVA_HOME_25:-}" ]; then
    ordinary=("$java" "$jar")
    java=$JAVA_HOME_25/bin/java
    jar=$work/axon5.jar
    jmh axon5 5 '[.]AppendBenchmark.(floor|cqrs|axon5|axon5AtHead)$' -p events=1 -p preloaded=0
    java=${ordinary[0]}
    jar=${ordinary[1]}
fi
report
