using Kvant.Kernels;
using Kvant.Numerics;

namespace Kvant.Rotations;

/// <summary>
/// The randomized Hadamard rotation: random signs, then a Walsh-Hadamard transform, twice (H D2 H D1). Costs d log d additions
/// and mixes every row, even one with a single number that is not zero; one round alone leaves such a row flat and badly coded.
/// </summary>
/// <remarks>Any dimension, without padding: d = 2^k m with m odd. The transform acts inside each of the m segments of 2^k numbers,
/// and an orthogonal m x m matrix (the discrete Hartley transform) mixes the segments. Its entries are not all of one size, so
/// where m > 1 two rounds leave some segments with half of their share of a one-hot row's energy; a third round evens that out.</remarks>
internal sealed class HadamardRotation : Rotation
{
    private readonly int _segment;
    private readonly HartleyMix? _mix;
    private readonly float[][] _signs; // one vector of +-1 per round; the first carries the factor that makes the whole orthonormal
    private readonly float[] _ones;

    /// <summary>A rotation of <paramref name="dimension"/> numbers; 0 rounds stands for as many as mix every row well.</summary>
    public HadamardRotation(int dimension, ulong seed, int rounds = 0)
        : base(dimension)
    {
        _segment = dimension & -dimension;
        int segments = dimension / _segment;
        if (rounds == 0)
            rounds = segments == 1 ? 2 : 3;
        _mix = segments == 1 ? null : new HartleyMix(segments);
        _ones = new float[_segment];
        Array.Fill(_ones, 1f);
        var random = new SeededRandom(seed);
        // Every round lengthens rows by sqrt(segment); two rounds by a power of two, which costs no rounding.
        float factor = 1;
        for (int round = 0; round < rounds; round += 2)
            factor *= rounds - round >= 2 ? 1f / _segment : (float)(1 / Math.Sqrt(_segment));
        _signs = new float[rounds][];
        for (int round = 0; round < rounds; round++)
        {
            _signs[round] = new float[dimension];
            for (int i = 0; i < dimension; i++)
                _signs[round][i] = random.NextSign() * (round == 0 ? factor : 1);
        }
    }

    private protected override void ForwardRow(ReadOnlySpan<float> source, Span<float> destination)
    {
        Round(source, _signs[0], destination);
        for (int round = 1; round < _signs.Length; round++)
            Round(destination, _signs[round], destination);
    }

    private protected override void InverseRow(ReadOnlySpan<float> source, Span<float> destination)
    {
        // Hadamard and Hartley matrices are symmetric and their own inverses, and act on different indices, so their order is free.
        for (int i = 0; i < Dimension; i += _segment)
            Hadamard.Transform(source.Slice(i, _segment), _ones, destination.Slice(i, _segment));
        _mix?.Apply(destination);
        for (int round = _signs.Length - 1; round > 0; round--)
            Round(destination, _signs[round], destination);
        Elementwise.Multiply(destination, _signs[0], destination);
    }

    private void Round(ReadOnlySpan<float> source, ReadOnlySpan<float> signs, Span<float> destination)
    {
        for (int i = 0; i < Dimension; i += _segment)
            Hadamard.Transform(source.Slice(i, _segment), signs.Slice(i, _segment), destination.Slice(i, _segment));
        _mix?.Apply(destination);
    }
}
