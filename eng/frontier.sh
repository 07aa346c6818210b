#!/usr/bin/env bash
# Is a Kvant setting better than the scalar baselines at every budget? Reads a model with both and prints, for budgets from 2.25 to 6 bits
# by number of the compressed body, the median divergence of the best Kvant setting that fits and that of the interpolated frontier of the baselines.
# A trace (kvant trace) in the place of a model: the same of attention alone. Takes some minutes. Needs jq.
#
#   dotnet build -c Release && eng/frontier.sh models/mini.gguf [options of kvant evaluate]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
model=${1:-$root/models/mini.gguf}
shift || true
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
kvant() { dotnet "$root/src/Kvant.Cli/bin/Release/net10.0/Kvant.Cli.dll" "$@"; }

baselines=()
for spec in q8_0 q4_0 q4_0:rotation=hadamard kivi:bits=2 kivi:bits=4 polar32:bits=2 polar32:bits=3 polar32:bits=4 outlier:bits=2 outlier:bits=3 \
    turboquant-ip:bits=3 turboquant-ip:bits=4 turboquant:bits={2,3,4},rotation=haar,scale=norm; do
    baselines+=(--codec "$spec")
done

# Bits of keys and of values, with an m where blocks of 32 rows have a mean. Five and six bits are scalar codes, eight are bytes.
kvant=()
mean() { if [[ $1 == *m ]]; then echo ,mean=32,meanbits=4; fi; }
keys() { case $1 in 8) echo q8:frame=balanced ;; 5 | 6) echo "turboquant:bits=$1,frame=balanced,mean=32,meanbits=4" ;; *) echo "turboquant:code=trellis,bits=${1%m},frame=balanced$(mean "$1")" ;; esac }
pair() { kvant+=(--keys "$(keys "$1")" --values "turboquant:code=trellis,bits=${2%m},scale=unbiased$(mean "$2")"); }
pair 2m 1m
pair 2 2
pair 2m 2m
pair 3m 2m
pair 3m 3m
pair 4m 3m
pair 4m 4m
pair 5 4m
pair 6 4m
pair 8 3m
pair 8 4m

if [[ $model == *.safetensors ]]; then
    kvant evaluate "$model" "${baselines[@]}" --json "$@" > "$scratch/baselines"
    kvant evaluate "$model" "${kvant[@]}" --json "$@" > "$scratch/kvant"
    points='.[0] | map({bits: .bitsPerValue, kl: .attentionKl.median}) | sort_by(.bits, .kl)'
else
    kvant evaluate --model "$model" "${baselines[@]}" --results "$scratch/baselines" "$@" >&2
    kvant evaluate --model "$model" "${kvant[@]}" --results "$scratch/kvant" "$@" >&2
    points='map(.results[0] | {bits: .bodyBitsPerValue, kl: .loss.divergenceMedian.value, error: .loss.divergenceMedian.standardError}) | sort_by(.bits, .kl)'
fi

jq -rn --slurpfile b "$scratch/baselines" --slurpfile k "$scratch/kvant" '
    def digits: if . >= 0.001 then (. * 100000 | round / 100000 | tostring) else (. * 100000000 | round / 100 | "\(.)e-6") end;
    ($b | '"$points"' | reduce .[] as $p ([]; if length == 0 or $p.kl < .[-1].kl then . + [$p] else . end)) as $frontier
    | ($k | '"$points"') as $ours
    | "| body bits | best Kvant setting | ± | frontier of the baselines | ratio |", "|---|---|---|---|---|",
      ((range(9; 25) / 4) as $budget
        | ($ours | map(select(.bits <= $budget + 1e-9)) | min_by(.kl)) as $best
        | ([range(1; $frontier | length)] | map(select($frontier[. - 1].bits <= $budget and $budget <= $frontier[.].bits)) | first) as $i
        | select($best != null and $i != null)
        | $frontier[$i - 1] as $low | $frontier[$i] as $high
        | (($budget - $low.bits) / ($high.bits - $low.bits)) as $t
        | (($low.kl | log) * (1 - $t) + ($high.kl | log) * $t | exp) as $theirs
        | "| \($budget) | \($best.kl | digits) at \($best.bits * 100 | round / 100) | \($best.error // 0 | digits) | \($theirs | digits) | \($theirs / $best.kl * 100 | round / 100) |")'
