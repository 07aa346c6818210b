using System.Runtime.InteropServices;
using Kvant.Kernels;

namespace Kvant.Evaluation.Speed;

/// <summary>What speeds were measured on.</summary>
internal static class Processor
{
    /// <summary>The processor's name, as <c>lscpu</c> shows it; its architecture where the system does not tell.</summary>
    public static string Name { get; } = FromLinux() ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();

    /// <summary>One line: the processor, how many of its logical processors the process may use, the registers that kernels use, the runtime.</summary>
    public static string Summary => $"{Name}, {Environment.ProcessorCount} logical processors, {(int)SimdSupport.Widest}-bit registers{Products}, {RuntimeInformation.FrameworkDescription}";

    // Arm's processors have registers of one width, and multiply bytes in one of two ways.
    private static string Products => RuntimeInformation.ProcessArchitecture == Architecture.Arm64 && SimdSupport.ByteProducts is { } name ? $" with {name}" : "";

    private static string? FromLinux()
    {
        const string file = "/proc/cpuinfo";
        if (!File.Exists(file))
            return null;
        string? line = File.ReadLines(file).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal));
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
