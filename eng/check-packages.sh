#!/usr/bin/env bash
# The packages, as they would be published: what they say of themselves, which versions they ask for, and that no assembly names a folder of this machine.
#
#   dotnet build -c Release && eng/check-packages.sh           the packages of the last build
#   eng/check-packages.sh --engines                            those that need LLamaSharp or ONNX Runtime, of the last build of engines/Kvant.Engines.slnx
#   eng/check-packages.sh [--engines] --anew                   also a clone without tags that has an origin, and a copy without its history, built from nothing
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "packages: $1" >&2; exit 1; }

# What is packed, which of the house's packages each asks for in exactly its own version, and what has to be built for it.
packed=(Kvant Kvant.Models Kvant.Conversations Kvant.Conversations.Redis Kvant.Chat Kvant.Serving Kvant.LlamaCpp Kvant.Gpu Kvant.Cli)
asks=(Kvant.Models:Kvant Kvant.Conversations:Kvant Kvant.LlamaCpp:Kvant Kvant.Gpu:Kvant)
built=(Kvant.Cli Kvant.Conversations.Redis Kvant.Chat Kvant.Serving Kvant.LlamaCpp Kvant.Gpu)
if [[ ${1:-} == --engines ]]; then
    shift
    packed=(Kvant.LLamaSharp Kvant.OnnxRuntime)
    asks=(Kvant.LLamaSharp:Kvant.LlamaCpp Kvant.LLamaSharp:Kvant.Conversations Kvant.OnnxRuntime:Kvant.Chat)
    built=("${packed[@]}")
fi

# check SOURCE ORIGIN: packs what is built in a folder; ORIGIN is the address that packages must give, if any.
check() {
    local source=$1 origin=$2 out="$scratch/packages" name version= package pair line text
    rm -rf "$out"
    for name in "${packed[@]}"; do
        dotnet pack "$source/src/$name" -c Release --no-build -o "$out" -v quiet || fail "$name cannot be packed"
        package=$(find "$out" -regex ".*/$name\.[0-9][^/]*\.nupkg")
        [[ -f ${package%.nupkg}.snupkg ]] || fail "$name has no symbols"
        version=${version:-$(basename "${package#*"/$name."}" .nupkg)}
        [[ $package == "$out/$name.$version.nupkg" ]] || fail "$(basename "$package") is not version $version"
        mkdir "$out/$name" && unzip -q "$package" -d "$out/$name"
        text=$(cat "$out/$name/$name.nuspec")
        for line in '<license type="expression">MIT</license>' '<readme>README.md</readme>' "<version>$version</version>" ${origin:+"url=\"$origin\""}; do
            [[ $text == *"$line"* ]] || fail "$name.nuspec lacks $line"
        done
        [[ -s $out/$name/README.md ]] || fail "$name has no readme"
        [[ -z $origin ]] || unzip -p "${package%.nupkg}.snupkg" '*.pdb' | grep -a "${origin/github.com/raw.githubusercontent.com}" >/dev/null || fail "the symbols of $name do not say where its source lies"
    done
    for pair in "${asks[@]}"; do
        name=${pair%%:*}
        grep -q "id=\"${pair#*:}\" version=\"\[$version\]\"" "$out/$name/$name.nuspec" || fail "$name does not ask for exactly its own version of ${pair#*:}"
    done
    # Names of files lie there in UTF-8, and in UTF-16 where code holds them.
    if find "$out" -name 'Kvant*.dll' -exec grep -laF "$source" {} + || LC_ALL=C find "$out" -name 'Kvant*.dll' -exec grep -laP "$(sed 's/./\\Q&\\E\\x00/g' <<<"$source")" {} +; then
        fail "an assembly names $source"
    fi
    echo "packages: ${packed[*]} $version as expected"
}

check "$root" ''
[[ ${1:-} == --anew ]] || exit 0

git clone -q --no-tags "$root" "$scratch/clone"
git -C "$scratch/clone" remote set-url origin https://github.com/example/kvant
for name in "${built[@]}"; do dotnet build "$scratch/clone/src/$name" -c Release -v quiet; done
check "$scratch/clone" https://github.com/example/kvant

git -C "$scratch/clone" archive --prefix=plain/ HEAD | tar -x -C "$scratch"
for name in "${built[@]}"; do dotnet build "$scratch/plain/src/$name" -c Release -v quiet; done
check "$scratch/plain" ''
