namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Runs kernels as a card would, one thread after the other, and finds what cards hide: touches beyond memory, races, barriers that not all reach.</summary>
internal sealed class PtxMachine
{
    /// <summary>Whether threads may write the same value to a byte of shared memory with no barrier between.</summary>
    public bool AllowSameValue { get; init; }

    /// <summary>Branches of a thread between two waits beyond which it is taken to run forever.</summary>
    public long BranchLimit { get; init; } = 1L << 32;

    /// <summary>Instructions that ran.</summary>
    public long Steps { get; private set; }

    /// <summary>Runs a kernel for all groups.</summary>
    public void Run(PtxKernel kernel, int groups, int threads, ReadOnlySpan<ulong> parameters, PtxAllocations allocations, int dynamicShared = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(groups, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, kernel.MaxThreads);
        ArgumentOutOfRangeException.ThrowIfNotEqual(parameters.Length, kernel.ParameterBytes.Count);
        if (kernel.RequiredThreads != 0)
            ArgumentOutOfRangeException.ThrowIfNotEqual(threads, kernel.RequiredThreads);
        var group = new PtxGroup(kernel, threads, dynamicShared, allocations, this);
        try
        {
            for (int i = 0; i < groups; i++)
                group.Run(i, groups, parameters);
        }
        finally
        {
            Steps += group.Steps;
        }
    }
}
