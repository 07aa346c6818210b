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
    private readonly float[][] _signs; // one vector of +-1 per round; the first carries the factor that makes the whole orthonormal
    private readonly float[] _ones;

    /// <summary>A rotation of <paramref name="dimension"/> numbers.</summary>
    public HadamardRotation(int dimension, ulong seed, int rounds = 3)
        : base(dimension)
    {
        _segment = dimension & -dimension;
        int segments = dimension / _segment;
        _mix = segments == 1 ? null : new HartleyMix(segments);
        _ones = new float[dimension];
        Array.Fill(_ones, 1f);
        var random = new SeededRandom(seed);
        // Every round lengthens rows by sqrt(segment).
        double factor = 1;
        for (int round = 0; round < rounds; round++)
            factor /= Math.Sqrt(_segment);
        _signs = new float[rounds][];
        for (int round = 0; round < rounds; round++)
        {
            _signs[round] = new float[dimension];
            for (int i = 0; i < dimension; i++)
                _signs[round][i] = random.NextSign() * (round == 0 ? (float)factor : 1);
        }
    }

    // One round over all rows before the next: the rows do not wait for each other, the rounds of one row do.
    private protected override void ForwardRows(ReadOnlySpan<float> source, Span<float> destination)
    {
        for (int round = 0; round < _signs.Length; round++)
            Round(round == 0 ? source : destination, _signs[round], destination);
    }

    private protected override void InverseRows(ReadOnlySpan<float> source, Span<float> destination)
    {
        // Hadamard and Hartley matrices are symmetric and their own inverses, and act on different indices, so their order is free.
        Round(source, _ones, destination);
        for (int round = _signs.Length - 1; round > 0; round--)
            Round(destination, _signs[round], destination);
        for (int i = 0; i < destination.Length; i += Dimension)
            Elementwise.Multiply(destination.Slice(i, Dimension), _signs[0], destination.Slice(i, Dimension));
    }

    private void Round(ReadOnlySpan<float> source, ReadOnlySpan<float> signs, Span<float> destination)
    {
        Hadamard.Transform(source, signs, destination, _segment);
        if (_mix is null)
            return;
        for (int i = 0; i < destination.Length; i += Dimension)
            _mix.Apply(destination.Slice(i, Dimension));
    }
}
