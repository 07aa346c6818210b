namespace Kvant.Codecs;

/// <summary>
/// Queries in the form in which a codec scores them: rotated, sketched or quantized once per step, then used for every cached row.
/// Made by <see cref="Codec.CreatePreparedQueries"/>, filled by <see cref="Codec.Prepare"/>; one writer at a time.
/// </summary>
public sealed class PreparedQueries
{
    private readonly float[] _values;

    internal PreparedQueries(int capacity, int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        Capacity = capacity;
        Length = length;
        _values = new float[checked(capacity * length)];
    }

    /// <summary>The most queries that fit.</summary>
    public int Capacity { get; }

    /// <summary>Floats per query, <see cref="Codec.PreparedLength"/> of the codec that made it.</summary>
    public int Length { get; }

    /// <summary>Queries that the last <see cref="Codec.Prepare"/> put in.</summary>
    public int Count { get; private set; }

    /// <summary>The codec whose basis the queries are in; scores against another codec's blocks would be wrong without a sign of it.</summary>
    internal Codec? Owner { get; private set; }

    /// <summary>The prepared floats of one query.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such query.</exception>
    public ReadOnlySpan<float> Query(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        return Slot(index);
    }

    /// <summary>All slots one after the other.</summary>
    internal ReadOnlySpan<float> Slots => _values;

    internal Span<float> Slot(int index) => _values.AsSpan(index * Length, Length);

    internal void Begin(Codec owner, int count)
    {
        if (owner.PreparedLength != Length)
            throw new ArgumentException($"These prepared queries hold {Length} floats each; the codec needs {owner.PreparedLength}.");
        if (count > Capacity)
            throw new ArgumentException($"There are {count} queries; the buffer holds {Capacity}.");
        (Owner, Count) = (owner, count);
    }
}
