using Kvant.Kernels;
using Kvant.Numerics;

namespace Kvant.Rotations;

/// <summary>
/// The randomized Hadamard rotation: random signs, then a Walsh-Hadamard transform, three times (H D3 H D2 H D1). Costs d log d
/// additions per round and mixes every row, even one with a single number that is not zero.
/// </summary>
/// <remarks><para>One round leaves such a row flat. Two, as published, give every such row the same coarse set of numbers, multiples of
/// 2 / sqrt(d), so that the seed alone decides whether all of them are coded well or all badly; the third round ends that.</para>
/// <para>Any dimension, without padding: d = 2^k m with m odd. The transform acts inside each of the m segments of 2^k numbers,
/// and an orthogonal m x m matrix (the discrete Hartley transform) mixes the segments.</para></remarks>
internal sealed class HadamardRotation : Rotation
{
    private readonly int _segment;
    private readonly HartleyMix? _mix;
    private readonly float[] _signs; // a row of +-1 per round; the first carries the factor that makes the whole orthonormal
    private readonly float[] _back; // the rows of the way back: ones, then the signs from the last to the second

    /// <summary>A rotation of <paramref name="dimension"/> numbers.</summary>
    public HadamardRotation(int dimension, ulong seed, int rounds = 3)
        : base(dimension)
    {
        _segment = dimension & -dimension;
        int segments = dimension / _segment;
        _mix = segments == 1 ? null : new HartleyMix(segments);
        var random = new SeededRandom(seed);
        // Every round lengthens rows by sqrt(segment).
        double factor = 1;
        for (int round = 0; round < rounds; round++)
            factor /= Math.Sqrt(_segment);
        _signs = new float[rounds * dimension];
        for (int i = 0; i < _signs.Length; i++)
            _signs[i] = random.NextSign() * (i < dimension ? (float)factor : 1);
        _back = new float[rounds * dimension];
        Array.Fill(_back, 1f, 0, dimension);
        for (int round = 1; round < rounds; round++)
            Array.Copy(_signs, (rounds - round) * dimension, _back, round * dimension, dimension);
    }

    /// <summary>Steps to make one: the signs, and the mix of the segments.</summary>
    public static long Steps(int dimension)
    {
        int segments = dimension / (dimension & -dimension);
        return (32L * dimension) + (segments == 1 ? 0 : HartleyMix.Steps(segments));
    }

    internal override RotationForm Form => new()
    {
        Segment = _segment,
        Mixed = Dimension / _segment,
        Signs = _signs,
        Back = _back,
        Last = _signs[..Dimension],
        Matrix = _mix?.Matrix ?? [],
        MatrixBack = _mix?.Matrix ?? [],
    };

    private protected override void ForwardRows(ReadOnlySpan<float> source, Span<float> destination) => Rounds(source, _signs, destination);

    private protected override void InverseRows(ReadOnlySpan<float> source, Span<float> destination)
    {
        // Hadamard and Hartley matrices are symmetric and their own inverses, and act on different indices, so their order is free.
        Rounds(source, _back, destination);
        for (int i = 0; i < destination.Length; i += Dimension)
            Elementwise.Multiply(destination.Slice(i, Dimension), _signs.AsSpan(0, Dimension), destination.Slice(i, Dimension));
    }

    private void Rounds(ReadOnlySpan<float> source, ReadOnlySpan<float> signs, Span<float> destination)
    {
        if (_mix is null)
        {
            Hadamard.Rounds(source, signs, destination, Dimension);
            return;
        }

        for (int at = 0; at < signs.Length; at += Dimension)
        {
            Hadamard.Transform(at == 0 ? source : destination, signs.Slice(at, Dimension), destination, _segment);
            for (int i = 0; i < destination.Length; i += Dimension)
                _mix.Apply(destination.Slice(i, Dimension));
        }
    }
}
