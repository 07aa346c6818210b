namespace Kvant.Gpu;

/// <summary>A device that computes: what <see cref="GpuDevice.List"/> knows of it before it is opened.</summary>
public sealed record GpuDeviceInfo
{
    /// <summary>Its place in the list, counted from 0: what <see cref="GpuDevice.Open"/> takes.</summary>
    public required int Number { get; init; }

    /// <summary>Its name, as the driver says it.</summary>
    public required string Name { get; init; }

    /// <summary>The name of the driver.</summary>
    public required string Driver { get; init; }

    /// <summary>What it is.</summary>
    public required GpuDeviceKind Kind { get; init; }

    /// <summary>How many groups of work it does at once, at least: multiprocessors of a card, cores of a processor.</summary>
    public required int ComputeUnits { get; init; }

    /// <summary>Bytes of its memory.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>The most bytes of one piece of it.</summary>
    internal long LargestBufferBytes { get; init; }

    /// <summary>Bytes that a work-group shares.</summary>
    internal long LocalMemoryBytes { get; init; }

    /// <summary>Whether its floats are those of the processor: it divides and takes square roots as exactly, and keeps the smallest numbers.</summary>
    internal bool IsExact { get; init; }

    /// <summary>The most work-items of a group.</summary>
    internal long LargestGroup { get; init; }
}
