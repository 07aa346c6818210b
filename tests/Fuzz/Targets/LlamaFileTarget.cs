using Kvant.LlamaCpp.Tests;

namespace Kvant.Fuzz.Targets;

/// <summary>Compressed states of llama.cpp, as they are or with checksums made right again, so that mutants reach what lies behind them: restored, and read as llama.cpp would read them.</summary>
internal static class LlamaFileTarget
{
    internal static FuzzTarget Target { get; } = new("llamafile", static () => FileMutants.Files, Read, static e => e is InvalidDataException)
    {
        AllocatedAtMost = 4 << 20,
    };

    // By the mutant itself, so that an input means the same again.
    private static void Read(FuzzInput input) => FileMutants.Use(input.Bytes.Length % 8 == 0 ? input.Bytes : FileMutants.Seal(input.Bytes));
}
