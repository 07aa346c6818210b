using System.Runtime.InteropServices;
using Kvant.Kernels;

namespace Kvant.Evaluation.Experiments;

/// <summary>What an experiment ran on; the losses do not depend on it, the speeds do.</summary>
/// <param name="Processors">Logical processors that the process may use.</param>
/// <param name="Architecture">Of the process, such as <c>X64</c>.</param>
/// <param name="VectorBits">Width of the registers that the kernels use.</param>
public sealed record MachineInfo(int Processors, string Architecture, int VectorBits)
{
    /// <summary>This machine.</summary>
    public static MachineInfo Current { get; } = new(
        Environment.ProcessorCount, RuntimeInformation.ProcessArchitecture.ToString(), (int)SimdSupport.Widest);
}
