#!/usr/bin/env bash
# The table "Every method" of docs/evaluation.md, from what 'kvant evaluate --all --json' printed. Needs jq.
#
#   kvant evaluate --all --json > all.json && eng/every-method.sh all.json
set -euo pipefail
jq -r '
    def trim: sub("^0\\."; ".") | sub("^-0\\."; "-.");
    def fixed($n): . * pow(10; $n) | round | tostring | if length <= $n then ("0" * ($n + 1 - length)) + . else . end | "\(.[:-$n]).\(.[-$n:])";
    def kl: if . == 0 then "0"
        elif . >= 0.01 then fixed(3) | trim
        elif . >= 0.001 then fixed(4) | trim
        elif . >= 0.0001 then fixed(5) | trim
        else (log10 | floor) as $e | "\(. / pow(10; $e) | fixed(1))e\($e)" end;
    def signed: (if . < 0 then "-" elif . == 0 then "" else "+" end) + (fabs | fixed(3) | trim);
    def spec: if startswith("q4_0:rotation=hadamard") then "q4_0:rotation=hadamard" else gsub("rotation=hadamard,|seed=0,|scale=corrected,|group=0,|search=0,|code=lloydmax,|rotation=none,|norm=l2,|channels=32,|group=32,|sketch=gaussian,|length=0,"; "")
        | gsub("[,:](rotation=hadamard|seed=0|scale=corrected|group=0|search=0|code=lloydmax|rotation=none|norm=l2|channels=32|group=32)"; "") | gsub("[,:]seed=0|[,:]scale=corrected|,code=lloydmax"; "") end;
    "| keys / values | body bits | KL median | 99 % | top-1 % | perplexity % | keys alone | values alone |", "|---|---|---|---|---|---|---|---|",
    (sort_by(.bodyBitsPerValue)[]
        | (.keys | spec) as $k | (.values | spec) as $v
        | "| \(if .policy then "preset **\(.policy)**" elif $k == $v then "`\($k)`" else "`\($k)` / `\($v)`" end) | \(.bodyBitsPerValue | fixed(2)) | \(.loss.divergenceMedian.value | kl) | \(.loss.divergenceP99.value | kl) | \(.loss.top1.value * 100 | fixed(2)) | \(.loss.perplexityRatio.value * 100 - 100 | signed) | \(.keysOnly.divergenceMedian.value | kl) | \(.valuesOnly.divergenceMedian.value | kl) |")
' "$1"
