using System.Runtime.InteropServices;
using Kvant.Kernels;

namespace Kvant.Evaluation.Speed;

/// <summary>What speeds were measured on.</summary>
internal static class Processor
{
    /// <summary>The processor's name, as <c>lscpu</c> shows it; its architecture where the system does not tell.</summary>
    public static string Name { get; } = FromLinux() ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();

    /// <summary>One line: the processor, how many of its logical processors the process may use, the registers that kernels use, the runtime.</summary>
    public static string Summary => $"{Name}, {Environment.ProcessorCount} logical processors, {Registers}, {RuntimeInformation.FrameworkDescription}";

    /// <summary>What who chooses a preset should know of this process; null where there is nothing.</summary>
    public static string? Note => NoteOf(SimdSupport.Widest);

    // Presets are the same everywhere (docs/decisions/0032-presets-are-one-thing.md): where they are slow, it is said.
    internal static string? NoteOf(SimdWidth widest) => widest == SimdWidth.Scalar
        ? "This process has no vector instructions: attention over trellis codes goes number by number and takes more than ten times as long as over plain floats; quality takes about one and a half times as long."
        : null;

    // Arm's processors have registers of one width, and multiply bytes in one of two ways.
    private static string Registers => (SimdSupport.Widest, RuntimeInformation.ProcessArchitecture) switch
    {
        (SimdWidth.Scalar, _) => "no vector registers",
        (var width, Architecture.Arm64) => $"{(int)width}-bit registers with {SimdSupport.ByteProducts}",
        (var width, _) => $"{(int)width}-bit registers",
    };

    private static string? FromLinux()
    {
        const string file = "/proc/cpuinfo";
        if (!File.Exists(file))
            return null;
        string? line = File.ReadLines(file).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal));
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
