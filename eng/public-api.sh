#!/usr/bin/env bash
# Writes PublicAPI.Unshipped.txt anew: what Kvant and Kvant.Models show to their users, a line per member. Read the difference before you commit it: it is what users see change.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for project in Kvant Kvant.Models; do
    echo '#nullable enable' >"src/$project/PublicAPI.Unshipped.txt"
    dotnet format analyzers "src/$project/$project.csproj" --diagnostics RS0016 --severity warn
done
git diff --stat -- 'src/*/PublicAPI.*.txt'
