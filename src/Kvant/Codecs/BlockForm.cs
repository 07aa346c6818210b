using Kvant.Kernels;

namespace Kvant.Codecs;

/// <summary>What the bytes of a codec's blocks are, for kernels that are not the codec's own: those of <c>Kvant.Gpu</c>. A codec that has none is read by its own code alone.</summary>
internal sealed record BlockForm
{
    /// <summary>How numbers are stored.</summary>
    public required NumberForm Numbers { get; init; }

    /// <summary>Bits of a code of <see cref="NumberForm.Levels"/> and <see cref="NumberForm.Paths"/>.</summary>
    public int Bits { get; init; }

    /// <summary>Groups of numbers of a row that have a scale of their own, of those two.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Whether their codes lie in the order of keys (<see cref="TileLayout"/>).</summary>
    public bool KeyOrder { get; init; }

    /// <summary>What a code means for a scale of 1; of paths, what their last eight bits mean.</summary>
    public ReadOnlyMemory<float> Levels { get; init; }

    /// <summary>How the mean of a block's rows is stored, which is added to each of them; null for none.</summary>
    public MeanForm? Mean { get; init; }

    /// <summary>Where in a block it lies.</summary>
    public int MeanOffset { get; init; }

    /// <summary>A vector in the basis of the codes that is added to every row; empty for none.</summary>
    public ReadOnlyMemory<float> Shared { get; init; }

    /// <summary>How a vector turns from row to row that is added to every row too, after units: what prepared queries end with says what it adds to scores
    /// (<see cref="FrameScores"/>). Null for none.</summary>
    public RotaryTables? Turning { get; init; }

    /// <summary>Whether prepared queries end with those numbers.</summary>
    public bool IsFramed { get; init; }

    /// <summary>How rows become such bytes; null where only the codec knows.</summary>
    public CodingForm? Coding { get; init; }
}
