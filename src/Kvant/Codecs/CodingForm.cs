using Kvant.Kernels;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>How rows become the codes of a <see cref="BlockForm"/>, for kernels that are not the codec's own: what they need to write the same bytes.</summary>
internal sealed record CodingForm
{
    /// <summary>From the rows' basis into that of the codes.</summary>
    public required RotationForm Rotation { get; init; }

    /// <summary>Which scale is stored.</summary>
    public required ScaleRule Rule { get; init; }

    /// <summary>Scales that are tried by group; 0 for the norm's alone.</summary>
    public int Search { get; init; }

    /// <summary>The positive levels of <see cref="NumberForm.Levels"/>, ascending.</summary>
    public ReadOnlyMemory<float> Levels { get; init; }

    /// <summary>Halfway between them.</summary>
    public ReadOnlyMemory<float> Thresholds { get; init; }

    /// <summary>The code of <see cref="NumberForm.Paths"/>; null for levels.</summary>
    public TrellisTable? Trellis { get; init; }

    /// <summary>A vector that is subtracted from every row; empty for none.</summary>
    public ReadOnlyMemory<float> Shared { get; init; }

    /// <summary>What rows are seen through; null for none.</summary>
    public HeadFrame? Frame { get; init; }

    /// <summary>Numbers up to this magnitude can be coded with a mean of their block whatever it is; others are left to the codec. Only where there is a mean.</summary>
    public float Easy { get; init; }
}
