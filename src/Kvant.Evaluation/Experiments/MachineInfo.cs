using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using Kvant.Codecs;
using Kvant.Kernels;

namespace Kvant.Evaluation.Experiments;

/// <summary>What an experiment ran on; the losses do not depend on it, the speeds do.</summary>
/// <param name="Processors">Logical processors that the process may use.</param>
/// <param name="Architecture">Of the process, such as <c>X64</c>.</param>
/// <param name="VectorBits">Width of the registers that the kernels use.</param>
internal sealed record MachineInfo(int Processors, string Architecture, int VectorBits)
{
    /// <summary>This machine.</summary>
    public static MachineInfo Current { get; } = new(
        Environment.ProcessorCount, RuntimeInformation.ProcessArchitecture.ToString(), (int)SimdSupport.Widest);

    private static readonly string[] s_version = typeof(Codec).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+') ?? ["unknown"];

    /// <summary>The version of the library.</summary>
    internal static string KvantVersion => s_version[0];

    /// <summary>The commit that the library was built from; null where the build did not know it.</summary>
    internal static string? KvantCommit => s_version.Length > 1 ? s_version[1] : null;

    /// <summary>The most memory that this process has held, in bytes.</summary>
    public static long PeakMemory()
    {
        using var process = Process.GetCurrentProcess();
        return Math.Max(process.PeakWorkingSet64, process.WorkingSet64);
    }
}
