#!/usr/bin/env bash
# Writes anew what the packages show to their users, a line per member: PublicAPI.Unshipped.txt for the build, which compares it, and docs/api.md and docs/api-engines.md for people.
# Read the difference before you commit it: it is what users see change.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for project in Kvant Kvant.Models Kvant.Conversations Kvant.Conversations.Redis Kvant.Chat Kvant.Serving Kvant.LlamaCpp Kvant.LLamaSharp Kvant.OnnxRuntime Kvant.Gpu; do
    echo '#nullable enable' >"src/$project/PublicAPI.Unshipped.txt"
    dotnet format analyzers "src/$project/$project.csproj" --diagnostics RS0016 --severity warn
done
page=$(mktemp)
trap 'rm -f "$page"' EXIT
write() {
    dotnet build "$1" -c Release -v quiet
    dotnet run -c Release --no-build --project "$1" >"$page"
    cp "$page" "$2"
}
write eng/ApiPage docs/api.md
write engines/EngineApiPage docs/api-engines.md
git diff --stat -- 'src/*/PublicAPI.*.txt' docs/api.md docs/api-engines.md
