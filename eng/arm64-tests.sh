#!/usr/bin/env bash
# Runs the tests of the kernels as two processors of Arm64 do, one that multiplies bytes by SDOT and one that has only SMULL, on a machine that is neither: qemu
# emulates them, .NET's runtime for Arm64 comes from NuGet, the C libraries from Debian. The tests are the very files that run here.
#
#   eng/arm64-tests.sh          runs them; where something is missing says what, and ends with 0
#   eng/arm64-tests.sh --get    downloads what is missing first, 130 MB in the end, into the folder below; installs nothing
#
# The folder is $KVANT_ARM64, or kvant-arm64 in the user's cache. Other arguments go to the tests of both processors, such as --filter-class '*.TileTests'. By default
# the first runs all tests of the kernels and the golden bytes, the second those that multiply bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

home=${KVANT_ARM64:-${XDG_CACHE_HOME:-$HOME/.cache}/kvant-arm64}
tests=tests/Kvant.Tests/bin/Release/net10.0
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

missing() {
  printf 'skipped: %s\n' "$1"
  exit 0
}

# The lists of packages are the script's own, for both architectures; nothing of the system's changes.
get_debian() {
  command -v apt-get dpkg >/dev/null || missing "no apt-get here that could get Arm's C libraries"
  mkdir -p "$home"/apt/lists/partial "$home"/apt/cache/archives/partial "$home"/packages "$home"/new
  touch "$home/apt/status"
  local own native ssl
  native=$(dpkg --print-architecture)
  own=(-o "Dir::State=$home/apt" -o "Dir::State::status=$home/apt/status" -o "Dir::Cache=$home/apt/cache" -o "APT::Architectures::=$native" -o 'APT::Architectures::=arm64' -o "APT::Sandbox::User=$(id -un)" -qq)
  apt-get "${own[@]}" update
  ssl=$(apt-cache "${own[@]}" search --names-only '^libssl3(t64)?$' | cut -d' ' -f1 | sort -u | head -n 1)
  (cd "$home/packages" && apt-get "${own[@]}" download "qemu-user-static:$native" libc6:arm64 libstdc++6:arm64 libgcc-s1:arm64 "$ssl:arm64")
  for package in "$home"/packages/*_arm64.deb; do dpkg -x "$package" "$home/new"; done
  dpkg --fsys-tarfile "$home"/packages/qemu-user-static_*.deb | tar -x -C "$home/new" ./usr/bin/qemu-aarch64-static
  mv "$home/new" "$home/root"
  rm -rf "$home/apt" "$home/packages"
}

# A project without code: the SDK makes it a program for Arm64, which starts the tests, and fetches the runtime.
get_dotnet() {
  local version pack
  version=$(dotnet --list-runtimes | sed -n 's/^Microsoft\.NETCore\.App \(10\.[0-9.]*\) .*/\1/p' | tail -n 1)
  mkdir -p "$home/start" "$home/new/host/fxr/$version" "$home/new/shared/Microsoft.NETCore.App/$version"
  cat >"$home/start/Kvant.Tests.csproj" <<END
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <TargetFramework>net10.0</TargetFramework>
    <RuntimeIdentifier>linux-arm64</RuntimeIdentifier>
    <SelfContained>false</SelfContained>
    <OutputType>Exe</OutputType>
  </PropertyGroup>
  <ItemGroup>
    <PackageDownload Include="Microsoft.NETCore.App.Runtime.linux-arm64" Version="[$version]" />
  </ItemGroup>
</Project>
END
  echo 'return 0;' >"$home/start/Program.cs"
  dotnet build -c Release -v quiet "$home/start" -o "$home/start/bin" -p:RestorePackagesPath="$home/nuget" >/dev/null
  pack="$home/nuget/microsoft.netcore.app.runtime.linux-arm64/$version/runtimes/linux-arm64"
  cp "$pack"/native/libhostfxr.so "$home/new/host/fxr/$version"
  cp "$pack"/native/* "$pack"/lib/net10.0/* "$home/new/shared/Microsoft.NETCore.App/$version"
  mv "$home/new" "$home/dotnet"
  rm -rf "$home/nuget"
}

if [ "${1:-}" = --get ]; then
  shift
  trap 'missing "a download failed; what was downloaded lies in $home"' EXIT
  [ -d "$home/root" ] || get_debian
  [ -d "$home/dotnet" ] || get_dotnet
  trap - EXIT
fi

for part in root dotnet; do
  [ -d "$home/$part" ] || missing "$home/$part is not there; eng/arm64-tests.sh --get downloads it"
done
[ -f "$tests/Kvant.Tests.dll" ] || dotnet build -c Release tests/Kvant.Tests
cp "$home/start/bin/Kvant.Tests" "$tests/Kvant.Tests-arm64"

# Two mappings of code are more than the emulator takes.
export DOTNET_ROOT=$home/dotnet DOTNET_EnableWriteXorExecute=0 TESTINGPLATFORM_TELEMETRY_OPTOUT=1

# leg PROCESSOR INSTRUCTION ARGUMENTS: a test fails where another instruction multiplies bytes than the leg claims.
leg() {
  local processor=$1
  export KVANT_EXPECTED_WIDTH=128 KVANT_EXPECTED_PRODUCTS=$2
  shift 2
  "$home/root/usr/bin/qemu-aarch64-static" -L "$home/root" -cpu "$processor" "$tests/Kvant.Tests-arm64" --no-ansi --no-progress "$@" >"$home/$processor.txt" 2>&1
}

all=(--filter-trait leg=width --minimum-expected-tests 400)
products=(--filter-class '*.TileTests' '*.ByteProductTests' '*.WidthLegTests' --minimum-expected-tests 60)
if [ $# -gt 0 ]; then
  all=("$@") products=("$@")
fi

leg neoverse-n1 SDOT "${all[@]}" &
first=$!
second=0
leg cortex-a72 SMULL "${products[@]}" || second=$?
status=0
wait "$first" || status=$?

report() {
  printf -- '-- %s, %s\n' "$1" "$("$home/root/usr/bin/qemu-aarch64-static" --version | head -n 1)"
  if [ "$2" = 0 ]; then grep -A 5 '^Test run summary' "$home/$1.txt"; else cat "$home/$1.txt"; fi
}

report neoverse-n1 "$status"
report cortex-a72 "$second"
exit $((status ? status : second))
