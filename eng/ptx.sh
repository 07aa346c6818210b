#!/usr/bin/env bash
# The kernels of Kvant.Gpu as PTX, by clang alone (Debian's clang-14; no toolkit of CUDA): shows that the text that OpenCL compiles is CUDA too, and that a work-item's arrays lie in registers: one that
# is indexed by what is not known lies in memory, which costs a card dearly and a processor nothing. Prints, for each preset at d = 64 and 128 with groups of 4 queries, what a work-group shares and how many
# loads and products the text has; fails where more than a row's scores lie in a work-item's own memory. The same for the kernels that encode (of shared memory that of the largest), which also fail where an
# instruction would round otherwise than the processor. Nothing here runs it.
#
#   eng/ptx.sh [FOLDER]      FOLDER keeps the PTX
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
kernels=src/Kvant.Gpu/Kernels
out=${1:-$(mktemp -d)}
mkdir -p "$out"

# numbers bits groups mean mean-at block-rows block-bytes of keys (K) or values (V)
side() { printf -- '-D%s_NUMBERS=%s -D%s_BITS=%s -D%s_GROUPS=1 -D%s_MEAN=%s -D%s_MEAN_AT=%s -D%s_BLOCK_ROWS=%s -D%s_BLOCK_BYTES=%s ' "$1" "$2" "$1" "$3" "$1" "$1" "$4" "$1" "$5" "$1" "$6" "$1" "$7"; }
# A tile of b bits at dimension d with a mean in 8 bits.
trellis() { local bytes=$((64 + 4 * $3 * $2)); side "$1" 4 "$2" 2 "$bytes" 32 $(((bytes + 4 + $3 + 15) / 16 * 16)); }
levels() { side "$1" 3 "$2" 0 0 32 $((64 + 4 * $2 * $3)); }
row() { side "$1" "$2" 1 0 0 1 "$3"; }

compile() {
    local name=$1 d=$2
    shift 2
    clang-14 -x cuda -O3 -S -o "$out/$name.ptx" -include "$kernels/cuda.h" -nocudainc -nocudalib --cuda-device-only --cuda-gpu-arch=sm_80 -Xclang -target-feature -Xclang +ptx72 -Wno-unknown-cuda-version \
        -DKD="$d" -DVD="$d" -DGROUP=4 -DTOKENS=1 "$@" -include "$kernels/common.cl" -include "$kernels/unpack.cl" "$kernels/attend.cl"
    local own
    own=$(grep -c '\(ld\|st\)\.local' "$out/$name.ptx" || true)
    printf '%-16s %7s bytes %6s shared %5s loads %5s products %3s own\n' "$name" "$(stat -c %s "$out/$name.ptx")" \
        "$(grep -o '\.shared .*\[[0-9]*\]' "$out/$name.ptx" | sed 's/.*\[\([0-9]*\)\]/\1/' | awk "{ n += \$1 } END { print n }")" \
        "$(grep -c 'ld\.global' "$out/$name.ptx")" "$(grep -c 'fma\.rn' "$out/$name.ptx")" "$own"
    # What lies there may be the scores of a row on their way to logits: stores and loads for each query and page, not for each number.
    if [ "$own" -gt 12 ]; then
        echo "$name: $own loads and stores of a work-item's own memory" >&2
        exit 1
    fi
}

# What encodes must do what the processor does: nothing fused, division and root rounded correctly.
encode() {
    local name=$1 d=$2
    shift 2
    clang-14 -x cuda -O3 -ffp-contract=off -S -o "$out/$name.ptx" -include "$kernels/cuda.h" -nocudainc -nocudalib --cuda-device-only --cuda-gpu-arch=sm_80 -Xclang -target-feature -Xclang +ptx72 -Wno-unknown-cuda-version \
        -DD="$d" -DSINGLE_ROWS=0 -DGROUPS=1 -DBLOCK_ROWS=32 -DEASY=1000.0f -DNEIGHBORS=0 -DROUNDS=3 -DSEGMENT="$d" -DMIXED=1 -DRULE=1 -DFINE=460 -DSTEP=0.05f "$@" \
        -include "$kernels/common.cl" -include "$kernels/encode.cl" "$kernels/choose.cl"
    local own fused
    own=$(grep -c '\(ld\|st\)\.local' "$out/$name.ptx" || true) fused=$(grep -c 'fma\.\|\.approx\|\.ftz\|\.full' "$out/$name.ptx" || true)
    # The largest of its kernels.
    printf '%-16s %7s bytes %6s shared %5s loads %5s products %3s own\n' "$name" "$(stat -c %s "$out/$name.ptx")" \
        "$(awk '/^\.visible|^\.entry/ { n = 0 } /\.shared / { sub(/.*\[/, ""); sub(/\].*/, ""); n += $0; if (n > most) most = n } END { print most }' "$out/$name.ptx")" \
        "$(grep -c 'ld\.global' "$out/$name.ptx")" "$(grep -c 'mul\.rn\|mul\.f32' "$out/$name.ptx")" "$own"
    if [ "$own" -gt 0 ] || [ "$fused" -gt 0 ]; then
        echo "$name: $own loads and stores of a work-item's own memory, $fused instructions that round otherwise" >&2
        exit 1
    fi
}
coded() { local bytes=$((64 + 4 * $2 * $3)); printf -- '-DNUMBERS=%s -DBITS=%s -DKEYS=%s -DMEAN=%s -DMEAN_AT=%s -DBLOCK_STRIDE=%s ' "$1" "$2" "$4" "$5" "$bytes" $(((bytes + 2 + $3 / 2 + 15) / 16 * 16)); }

for d in 64 128; do
    compile "fp16-$d" "$d" $(row K 0 $((2 * d))) $(row V 0 $((2 * d))) -DUNIT_ROWS=1 -DWAVES=0 -DPAGED=1
    compile "window-$d" "$d" $(row K 0 $((2 * d))) $(row V 0 $((2 * d))) -DUNIT_ROWS=1 -DWAVES=0 -DPAGED=0
    compile "quality-$d" "$d" $(row K 2 $((4 + d))) $(row V 2 $((4 + d))) -DUNIT_ROWS=1 -DWAVES=$((d / 2)) -DPAGED=1
    compile "balanced-$d" "$d" $(trellis K 4 "$d") $(trellis V 3 "$d") -DUNIT_ROWS=32 -DWAVES=$((d / 2)) -DPAGED=1
    compile "small-$d" "$d" $(trellis K 3 "$d") $(trellis V 2 "$d") -DUNIT_ROWS=32 -DWAVES=$((d / 2)) -DPAGED=1
    compile "tiny-$d" "$d" $(trellis K 2 "$d") $(trellis V 2 "$d") -DUNIT_ROWS=32 -DWAVES=$((d / 2)) -DPAGED=1
    compile "levels4-$d" "$d" $(levels K 4 "$d") $(levels V 4 "$d") -DUNIT_ROWS=32 -DWAVES=0 -DPAGED=1
    encode "keys4-$d" "$d" $(coded 4 4 "$d" 1 3) -DSHARED=1 -DTURNS=$((d / 2)) -DSEARCH=0 -DAROUND=64 -DSTEPS="$d"
    encode "values3-$d" "$d" $(coded 4 3 "$d" 0 3) -DSHARED=0 -DTURNS=0 -DSEARCH=0 -DAROUND=64 -DSTEPS="$d"
    encode "values2-$d" "$d" $(coded 4 2 "$d" 0 3) -DSHARED=0 -DTURNS=0 -DSEARCH=0 -DAROUND=128 -DSTEPS=128
    encode "search4-$d" "$d" $(coded 3 4 "$d" 1 0) -DSHARED=0 -DTURNS=0 -DSEARCH=16 -DAROUND=0 -DSTEPS="$d"
done
