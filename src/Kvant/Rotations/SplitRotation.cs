namespace Kvant.Rotations;

/// <summary>Gathers chosen channels to the front of the row, then rotates them and the others apart.</summary>
internal sealed class SplitRotation : Rotation
{
    private readonly int[] _order;
    private readonly Rotation _first;
    private readonly Rotation _rest;

    /// <summary>A rotation in two parts.</summary>
    /// <param name="order">The channel that lands in each place: the chosen ones first.</param>
    /// <param name="first">Rotates the chosen channels.</param>
    /// <param name="rest">Rotates the others.</param>
    public SplitRotation(int[] order, Rotation first, Rotation rest)
        : base(order.Length) => (_order, _first, _rest) = (order, first, rest);

    private protected override void ForwardRows(ReadOnlySpan<float> source, Span<float> destination)
    {
        Span<float> gathered = stackalloc float[Dimension];
        for (int row = 0; row < source.Length; row += Dimension)
        {
            for (int i = 0; i < Dimension; i++)
                gathered[i] = source[row + _order[i]];
            _first.Forward(gathered[.._first.Dimension], destination.Slice(row, _first.Dimension));
            _rest.Forward(gathered[_first.Dimension..], destination.Slice(row + _first.Dimension, _rest.Dimension));
        }
    }

    private protected override void InverseRows(ReadOnlySpan<float> source, Span<float> destination)
    {
        Span<float> gathered = stackalloc float[Dimension];
        for (int row = 0; row < source.Length; row += Dimension)
        {
            _first.Inverse(source.Slice(row, _first.Dimension), gathered[.._first.Dimension]);
            _rest.Inverse(source.Slice(row + _first.Dimension, _rest.Dimension), gathered[_first.Dimension..]);
            for (int i = 0; i < Dimension; i++)
                destination[row + _order[i]] = gathered[i];
        }
    }
}
