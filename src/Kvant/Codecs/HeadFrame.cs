using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.Kernels;

namespace Kvant.Codecs;

/// <summary>
/// Where the rows of a head lie and how far they spread: the vector that all of them share, as it was before positions turned it, and a unit for every
/// channel. What is left of a row, in these units, is what a codec sees.
/// </summary>
internal sealed class HeadFrame
{
    // What the door lets in, less a vector of at most this norm, still has scales that any codec stores (see Door.AlwaysEncodable); units are 1 or more.
    private const double LargestNorm = 8192;
    private const float LargestUnit = 1024;
    private const float LargestNumber = float.MaxValue / 4096;

    private readonly float[] _constant;
    private readonly float[] _units;
    private readonly float[] _inverse;

    private HeadFrame(RotaryTables tables, float[] constant, float[] units)
    {
        (Tables, _constant, _units) = (tables, constant, units);
        _inverse = new float[units.Length];
        for (int i = 0; i < units.Length; i++)
            _inverse[i] = 1 / units[i];
    }

    /// <summary>How rows are turned; no pairs where nobody knows.</summary>
    public RotaryTables Tables { get; }

    /// <summary>The shared vector, not turned.</summary>
    public ReadOnlySpan<float> Constant => _constant;

    /// <summary>What queries are multiplied by.</summary>
    public ReadOnlySpan<float> Units => _units;

    /// <summary>What is left of rows is multiplied by: 1 over a unit.</summary>
    public ReadOnlySpan<float> Inverse => _inverse;

    private int Dimension => _constant.Length;

    /// <summary>Bytes of a frame: pairs, their kind, speeds as doubles (room for one of every two channels), vector as floats, units as halves.</summary>
    public static int StateBytes(int dimension) => (2 * sizeof(int)) + (dimension / 2 * sizeof(double)) + (dimension * (sizeof(float) + Fp16.Bytes));

    /// <summary>A frame of these numbers.</summary>
    /// <param name="tables">How rows are turned.</param>
    /// <param name="constant">The shared vector; zeros are taken for one that is too long.</param>
    /// <param name="units">At least 1; rounded to halves here.</param>
    public static HeadFrame Create(RotaryTables tables, ReadOnlySpan<double> constant, ReadOnlySpan<double> units)
    {
        float[] vector = new float[constant.Length], rounded = new float[constant.Length];
        double energy = 0;
        foreach (double x in constant)
            energy += x * x;
        for (int i = 0; i < vector.Length; i++)
        {
            vector[i] = energy <= LargestNorm * LargestNorm ? (float)constant[i] : 0;
            rounded[i] = (float)(Half)units[i];
        }

        return new(tables, vector, rounded);
    }

    /// <summary>Writes <see cref="StateBytes"/> bytes.</summary>
    public void Write(Span<byte> state)
    {
        state.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(state, Tables.Count);
        BinaryPrimitives.WriteInt32LittleEndian(state[sizeof(int)..], (int)Tables.Pairs);
        (Range speeds, Range vector, Range units) = Parts(Dimension);
        Tables.Speeds.CopyTo(MemoryMarshal.Cast<byte, double>(state[speeds]));
        _constant.CopyTo(MemoryMarshal.Cast<byte, float>(state[vector]));
        TensorPrimitives.ConvertToHalf(_units, MemoryMarshal.Cast<byte, Half>(state[units]));
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <param name="state">The bytes.</param>
    /// <param name="dimension">Numbers in a row.</param>
    /// <param name="tables">Gives the tables of speeds.</param>
    /// <exception cref="ArgumentException">They are no frame.</exception>
    public static HeadFrame Read(ReadOnlySpan<byte> state, int dimension, Func<double[], RotaryPairs, RotaryTables> tables)
    {
        int count = BinaryPrimitives.ReadInt32LittleEndian(state), pairs = BinaryPrimitives.ReadInt32LittleEndian(state[sizeof(int)..]);
        (Range speedsAt, Range vectorAt, Range unitsAt) = Parts(dimension);
        double[] speeds = MemoryMarshal.Cast<byte, double>(state[speedsAt]).ToArray();
        float[] constant = MemoryMarshal.Cast<byte, float>(state[vectorAt]).ToArray(), units = new float[dimension];
        TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(state[unitsAt]), units);
        bool possible = count >= 0 && count <= speeds.Length && (RotaryPairs)pairs is RotaryPairs.Halves or RotaryPairs.Neighbors
            && Array.TrueForAll(speeds, speed => speed is >= 0 and < Math.Tau) && !speeds.AsSpan(count).ContainsAnyExcept(0.0)
            && Halves.AreAtMost(constant, (float)LargestNorm) && Array.TrueForAll(units, unit => unit is >= 1 and <= LargestUnit);
        return possible ? new(tables(speeds[..count], (RotaryPairs)pairs), constant, units)
            : throw new ArgumentException($"The state is not a frame: finite numbers, a vector of at most {LargestNorm} and units of 1 to {LargestUnit}.", nameof(state));
    }

    /// <summary>Whether a state names these pairs and speeds.</summary>
    public static bool IsTurnedBy(ReadOnlySpan<byte> state, int dimension, ReadOnlySpan<double> speeds, RotaryPairs pairs)
    {
        ReadOnlySpan<double> stored = MemoryMarshal.Cast<byte, double>(state[Parts(dimension).Speeds]);
        return BinaryPrimitives.ReadInt32LittleEndian(state) == speeds.Length && BinaryPrimitives.ReadInt32LittleEndian(state[sizeof(int)..]) == (int)pairs
            && stored[..speeds.Length].SequenceEqual(speeds);
    }

    /// <summary>The shared vector at some rows, turned as they are; the same numbers on every machine.</summary>
    /// <param name="firstRow">The number of the first row.</param>
    /// <param name="vectors">Receives one after the other.</param>
    public void Shared(int firstRow, Span<float> vectors)
    {
        int pairs = Tables.Count, aligned = -1;
        Span<double> turns = stackalloc double[2 * pairs];
        Span<float> atTile = stackalloc float[Dimension];
        _constant.CopyTo(atTile);
        for (int at = 0, row = firstRow; at < vectors.Length; at += Dimension, row++)
        {
            Span<float> vector = vectors.Slice(at, Dimension);
            _constant.CopyTo(vector);
            if (pairs == 0)
                continue;
            int within = row % RotaryTables.TileRows;
            if (row - within != aligned)
            {
                aligned = row - within;
                SharedAtTile(aligned, turns, atTile);
            }

            ReadOnlySpan<float> cosines = Tables.Cosines.AsSpan(within * pairs, pairs), sines = Tables.Sines.AsSpan(within * pairs, pairs);
            for (int i = 0; i < pairs; i++)
            {
                float a = atTile[Tables.First(i)], b = atTile[Tables.Second(i)];
                vector[Tables.First(i)] = (a * cosines[i]) - (b * sines[i]);
                vector[Tables.Second(i)] = (a * sines[i]) + (b * cosines[i]);
            }
        }
    }

    /// <summary>The shared vector at the first row of a tile, from which those of the tile's other rows are turned.</summary>
    /// <param name="row">A multiple of <see cref="RotaryTables.TileRows"/>.</param>
    /// <param name="turns">A buffer of two numbers for each pair.</param>
    /// <param name="vector">Receives the numbers of pairs; the others are those of <see cref="Constant"/>.</param>
    public void SharedAtTile(int row, Span<double> turns, Span<float> vector)
    {
        Tables.At(row, turns);
        for (int i = 0; i < Tables.Count; i++)
        {
            double a = _constant[Tables.First(i)], b = _constant[Tables.Second(i)], cosine = turns[2 * i], sine = turns[(2 * i) + 1];
            vector[Tables.First(i)] = (float)((a * cosine) - (b * sine));
            vector[Tables.Second(i)] = (float)((a * sine) + (b * cosine));
        }
    }

    /// <summary>What is left of rows, in units.</summary>
    /// <exception cref="ArgumentException">A number is so large that it might not come back.</exception>
    public void Enter(ReadOnlySpan<float> rows, int firstRow, Span<float> left)
    {
        if (!Halves.AreAtMost(rows, LargestNumber))
            throw new ArgumentException($"a number is larger than {LargestNumber}, the most that a frame takes.", nameof(rows));
        Shared(firstRow, left);
        TensorPrimitives.Subtract(rows, left, left);
        for (int i = 0; i < left.Length; i += Dimension)
            Elementwise.Multiply(left.Slice(i, Dimension), _inverse, left.Slice(i, Dimension));
    }

    /// <summary>The rows again.</summary>
    public void Leave(Span<float> rows, int firstRow, Span<float> scratch)
    {
        Shared(firstRow, scratch);
        for (int i = 0; i < rows.Length; i += Dimension)
            Elementwise.Multiply(rows.Slice(i, Dimension), _units, rows.Slice(i, Dimension));
        TensorPrimitives.Add(rows, scratch[..rows.Length], rows);
    }

    private static (Range Speeds, Range Constant, Range Units) Parts(int dimension)
    {
        int speeds = 2 * sizeof(int), constant = speeds + (dimension / 2 * sizeof(double)), units = constant + (dimension * sizeof(float));
        return (speeds..constant, constant..units, units..(units + (dimension * Fp16.Bytes)));
    }
}
