using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>Turns the numbers of rotated rows (or of groups, which are rows of their own here) into codes and a scale, and back.</summary>
internal interface IRowQuantizer
{
    /// <summary>Numbers in a row.</summary>
    int Dimension { get; }

    /// <summary>Bits of a code.</summary>
    int Bits { get; }

    /// <summary>What a code means for a scale of 1; of paths, what their last eight bits mean, the newest on top.</summary>
    ReadOnlyMemory<float> UnitLevels { get; }

    /// <summary>How it finds codes, as numbers.</summary>
    /// <param name="rotation">What turned the rows.</param>
    CodingForm Coding(RotationForm rotation);

    /// <summary>Finds codes and scales.</summary>
    /// <param name="rows">Rotated rows one after the other.</param>
    /// <param name="codes">Receives a code per number.</param>
    /// <param name="scales">Receives the scale of each row, not rounded; 0 for a row of zeros.</param>
    void Encode(ReadOnlySpan<float> rows, Span<byte> codes, Span<float> scales);

    /// <summary>Turns codes back into numbers.</summary>
    /// <param name="codes">A code per number.</param>
    /// <param name="scale">The stored scale.</param>
    /// <param name="row">Receives the numbers.</param>
    void Decode(ReadOnlySpan<byte> codes, float scale, Span<float> row);
}
