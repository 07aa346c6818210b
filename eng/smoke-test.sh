#!/usr/bin/env bash
# The command-line smoke test: the built tool, from the outside, as a user meets it. Needs bash and jq.
#
#   dotnet build -c Release && eng/smoke-test.sh
#   KVANT=path/to/another/executable eng/smoke-test.sh
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0

tool=${KVANT:-$root/src/Kvant.Cli/bin/Release/net10.0/Kvant.Cli}

kvant() {
    if [[ -x "$tool" ]]; then
        "$tool" "$@"
    else
        dotnet run -c Release --no-build --project "$root/src/Kvant.Cli" -- "$@"
    fi
}

fail() {
    echo "smoke test: $1" >&2
    echo "--- stdout" >&2
    head -20 "$scratch/out" >&2
    echo "--- stderr" >&2
    head -20 "$scratch/err" >&2
    exit 1
}

# expect CODE ARGS...: runs the tool; a failure must say one line on stderr and nothing on stdout.
expect() {
    local wanted=$1 code=0
    shift
    kvant "$@" >"$scratch/out" 2>"$scratch/err" || code=$?
    [[ $code == "$wanted" ]] || fail "'kvant $*' ended with $code; wanted $wanted"
    if [[ $wanted == 0 ]]; then
        [[ ! -s "$scratch/err" ]] || fail "'kvant $*' wrote to stderr"
    else
        [[ $(wc -l <"$scratch/err") == 1 ]] || fail "'kvant $*' must write one line to stderr"
        grep -q '^kvant: ' "$scratch/err" || fail "the error of 'kvant $*' must begin with 'kvant: '"
        [[ ! -s "$scratch/out" ]] || fail "'kvant $*' failed but wrote to stdout"
    fi
    passed=$((passed + 1))
}

# json FILTER ARGS...: the JSON of a successful run must make the jq filter true.
json() {
    local filter=$1
    shift
    expect 0 "$@" --json
    jq -e "$filter" "$scratch/out" >"$scratch/err" 2>&1 || fail "'kvant $* --json' does not meet $filter"
}

# no_file FILE: a failed command must not have left its output, nor a temporary file beside it.
no_file() {
    [[ ! -e "$1" ]] || fail "$1 exists after a failure"
    [[ -z $(find "$(dirname "$1")" -name '*.tmp') ]] || fail "a temporary file is left beside $1"
}

trace="$root/samples/data/mini-trace.safetensors"
cache="$scratch/cache.kvant"
cd "$scratch" # the tool must work from any folder

expect 0 --version
expect 0 --help
for verb in evaluate tune generate trace measure plan 'bench attention' 'bench encode' 'bench prefill' 'bench decode' devices codecs codebook compress decompress inspect chat serve pull 'store verify' 'store recode' slot; do
    # shellcheck disable=SC2086 # two words
    expect 0 $verb --help
    grep -q "^Example" out || fail "the help of $verb lacks examples"
done

expect 0 codecs
json 'length > 5 and all(.[]; .name and .summary and (.settings | type == "array"))' codecs
json '(.centroids | length == 8) and .nmse > 0.0339 and .nmse < 0.0341' codebook --dimension 128 --bits 3

expect 0 measure --rows 256 --codec fp16 --codec turboquant:bits=3
json 'length == 2 and .[1].bytesPerRow == 50 and .[1].nmse > 0.03 and .[1].nmse < 0.04' measure --rows 1024 --codec fp16 --codec turboquant:bits=3
json '.[0].rows == 64 and .[0].dimension == 80' measure --rows 64 --dimension 80 --codec turboquant:bits=4 --output decoded.npy
json '.[0].rows == 64 and .[0].dimension == 80' measure decoded.npy --codec fp16

json 'length > 5 and (map(.totalBytes) | . == (sort | reverse)) and all(.[]; .longestContext > 60000)' plan --memory 8GiB
json '.[0].totalBytes > 0 and .[0].ratio > 3' plan --layers 2 --kv-heads 2 --dimension 64 --context 4096 --keys turboquant:bits=4 --values turboquant:bits=3
json 'map(.codec) == ["plain fp32", "turboquant:bits=4"] and all(.[]; .nsPerTokenHead > 0 and .ratioToRead > 0 and .cold == false)' bench attention --codec turboquant:bits=4 --tokens 64 --seconds 0.02
json '.[0].nsPerRow > 0 and .[0].allocatedPerAppend == 0' bench encode --codec turboquant:bits=4 --appends 64 --seconds 0.02
json 'length == 3 and .[0].ratioToFp32 == 1' bench prefill --tokens 128 --seconds 0.02

json 'map(.codec) == ["fp32", "q8"] and all(.[]; .attentionMilliseconds > 0 and .restMilliseconds > 0 and .promptTokensPerSecond > 0)' bench decode --codec q8 --layers 1 --kv-heads 1 --width 64 --feed-forward 64 --tokens 256 --prompt 600 --seconds 0.02

# A model writes, and what it keeps is recorded.
json '.tokens == 200 and .end == "limit" and (.text | length > 200) and .promptTokens > 2 and .ratio > 0.5' generate --prompt 'It was a dark night' --tokens 200
json '.keys == "q8" and .values == "turboquant:bits=3"' generate --prompt 'It was a dark night' --tokens 20 --keys q8 --values turboquant:bits=3 --temperature 0.8 --seed 7
kvant generate --prompt 'It was a dark night' --tokens 20 >text 2>figures || fail "'kvant generate' failed"
[[ $(wc -l <figures) == 2 && -s text ]] || fail "'kvant generate' must write its text to stdout and two lines of figures to stderr"
json '.[0].tokens == 100 and .[0].queryHeads == 4' trace -o recorded.safetensors --tokens 100
json 'length == 1 and .[0].keyNmse < 1e-6' evaluate recorded.safetensors --codec fp16

# Compress, inspect, decompress, evaluate.
json '.[0].ratio > 3' compress "$trace" -o "$cache" --keys turboquant:bits=4 --values turboquant:bits=3
json '.ratio > 3 and .keyBytes > .valueBytes and .layers > 0 and .checksums == "ok"' inspect "$cache"
expect 0 inspect "$cache"
json '.[0].tokens > 0' decompress "$cache" -o decoded.safetensors
json 'length == 1 and .[0].keyNmse < 1e-6' evaluate decoded.safetensors --codec fp16
json '.[0].keyNmse > 0.002 and .[0].keyNmse < 0.02 and .[0].top1 > 0.5 and (.[0].attentionKl.mean | type == "number")' evaluate "$trace" --keys turboquant:bits=4 --values turboquant:bits=3
expect 0 evaluate "$trace" --codec q8 --codec q4_0 --report report.html

short=(--context 256 --chunks 2)
json '.[0].loss.divergenceMedian.value < 1e-6 and .[0].loss.top1.value > 0.99' evaluate --codec fp16 "${short[@]}"
expect 0 evaluate --codec fp16 --policy small "${short[@]}" --report model.html --results model.jsonl
grep -q '<svg' model.html || fail "the report of a model lacks a plot"
[[ $(wc -l <model.jsonl) == 2 ]] || fail "the results are not one line each"
json '.[0].policy == "chosen" and .[0].bodyBitsPerValue <= 3' tune --bits-per-value 3 -o policy.json "${short[@]}" --held-out 2
json '.[0].policy == "policy"' evaluate --policy policy.json "${short[@]}"
grep -q '<svg' report.html || fail "the report lacks a plot"

# A state of llama.cpp, small as the golden one is, compressed and back.
slot="$root/tests/Kvant.LlamaCpp.Tests/Golden/sequence-1.kvant"
json '.cells == 160 and .kind == "a sequence" and .ratio > 1' slot "$slot" --inspect
json '.cells == 160' slot "$slot" -o slot.bin --restore
json '.ratio == 1 and .cells == 160' slot slot.bin --inspect
json '.ratio > 1' slot slot.bin -o slot.kvant --policy quality
expect 2 slot slot.kvant -o again.kvant
expect 1 slot slot.kvant -o slot.bin --restore # may be another's
head -c 3000 slot.bin >cut.bin
expect 1 slot cut.bin -o cut.kvant
no_file "$scratch/cut.kvant"

# Wrong usage: 2.
expect 2 nonsense
expect 2 measure --nonsense
expect 2 measure --codec nonsense
expect 2 measure --codec turboquant:bits=9
expect 2 plan --memory 8
expect 2 bench attention --tokens nonsense
expect 2 bench nonsense
expect 2 compress "$trace" -o none.kvant --keys fp16
expect 2 compress "$trace" -o "$trace" --keys fp16 --values fp16
expect 2 inspect
expect 2 generate
expect 2 generate --prompt x --codec nonsense
expect 2 trace
expect 2 tune
expect 2 generate --prompt x --policy nonsense
no_file "$scratch/none.kvant"

# Failure: 1, and no output.
expect 1 inspect missing.kvant
expect 1 generate --prompt x --model missing.gguf
expect 1 generate --prompt x --model "$trace"
expect 1 trace --text missing.txt -o none.safetensors
expect 1 evaluate missing.safetensors
expect 1 compress "$trace" -o missing/none.kvant --keys fp16 --values fp16
head -c 5000 "$trace" >broken.safetensors
expect 1 compress broken.safetensors -o none.kvant --keys fp16 --values fp16
no_file "$scratch/none.kvant"
size=$(wc -c <"$cache")
head -c $((size - 5)) "$cache" >broken.kvant
printf 'wrong' >>broken.kvant
expect 1 inspect broken.kvant
grep -q 'layer 3' err || fail "the error does not name the damaged layer"
expect 1 decompress broken.kvant -o none.safetensors
no_file "$scratch/none.safetensors"

# Files that people have stay what they are.
printf 'precious' >precious
for name in precious hard linked "$scratch/precious"; do
    case $name in hard) ln precious hard ;; linked) ln -s precious linked ;; esac
    expect 2 evaluate --text precious --report "$name" --force
done
expect 1 evaluate --codec fp16 "${short[@]}" --report precious
cp "$root/models/mini.gguf" x.measured
expect 2 tune x.measured --bits-per-value 3 -o x
cmp -s "$root/models/mini.gguf" x.measured || fail "tune changed its model"
cp precious z.measured
expect 1 tune --bits-per-value 3 -o z
[[ $(cat precious hard linked z.measured) == preciouspreciouspreciousprecious ]] || fail "a file was replaced"
expect 0 evaluate "$trace" --codec q8 --report report.html # one of ours

# Pipes and devices, signals, closed streams: what only a process shows.
mkfifo pipe
expect 1 inspect pipe
expect 1 inspect /dev/zero
expect 1 evaluate --text /dev/zero
expect 1 compress "$trace" -o pipe --keys q8 --values q8
[[ -p pipe ]] || fail "a pipe was replaced"
expect 0 evaluate --codec fp16 --context 64 --chunks 1 --text <(head -c 4000 "$root/samples/data/mini-holdout.txt")
# The status of a command that a signal ends while it waits for a pipe that nobody writes to; timeout itself would say 124.
for signal in INT:130 TERM:143; do
    code=0
    timeout --preserve-status -k 20 -s "${signal%:*}" 3 "$tool" evaluate --text pipe --report none.html >out 2>err || code=$?
    [[ $code == "${signal#*:}" ]] || fail "a command that waits for a pipe ended with $code after SIG${signal%:*}"
    [[ $(wc -l <err) == 1 ]] && grep -q interrupted err || fail "an interrupted command must say so in one line"
    no_file "$scratch/none.html"
    passed=$((passed + 1))
done
streams() {
    local wanted=$1 code=0
    "${@:2}" || code=$?
    [[ $code == "$wanted" ]] || fail "'${*:2}' ended with $code; wanted $wanted"
    passed=$((passed + 1))
}
streams 2 bash -c '"$0" nonsense 2>&-' "$tool"
streams 1 bash -c '"$0" codecs >&- 2>/dev/null' "$tool"
streams 0 bash -c 'set -o pipefail; "$0" codecs | head -1 >/dev/null' "$tool"
expect 2 evaluate --codec q8 --codec
expect 2 evaluate --codec --json

# The packed tool, as 'dotnet tool install' gives it; not where another executable is tested.
if [[ -z ${KVANT:-} ]]; then
    project="$root/src/Kvant.Cli"
    dotnet pack "$project" -c Release --no-build -o "$scratch/packages" >out 2>err || fail "the tool cannot be packed"
    package=$(basename "$(echo "$scratch"/packages/Kvant.Cli.*.nupkg)" .nupkg)
    if dotnet tool install Kvant.Cli --tool-path "$scratch/tools" --add-source "$scratch/packages" --version "${package#Kvant.Cli.}" >out 2>err; then
        tool="$scratch/tools/kvant"
        expect 0 codecs
        json 'length == 1' evaluate --codec fp32
    elif grep -qiE 'NU1301|service index|network|connection|timed out' out err; then
        echo "smoke test: no package feed, so the packed tool was not installed"
    else
        fail "the packed tool cannot be installed"
    fi
fi

echo "smoke test: $passed commands as expected"
