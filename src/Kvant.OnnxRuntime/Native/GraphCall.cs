namespace Kvant.OnnxRuntime.Native;

/// <summary>A call of an operation: where its inputs lie and its outputs go. Valid until the call returns.</summary>
internal readonly unsafe struct GraphCall(nint context)
{
    /// <summary>The shape of an input.</summary>
    public long[] Shape(int input) => OrtFunctions.Shape(OrtFunctions.Input(context, input));

    /// <summary>The numbers of an input.</summary>
    /// <param name="input">Counted from 0.</param>
    /// <param name="count">How many are wanted.</param>
    /// <exception cref="InvalidOperationException">There are more or fewer.</exception>
    public ReadOnlySpan<float> Input(int input, long count)
    {
        long found = 1;
        foreach (long dimension in Shape(input))
            found = checked(found * dimension);
        return found == count ? new(OrtFunctions.Data(OrtFunctions.Input(context, input)), checked((int)count))
            : throw new InvalidOperationException($"Attention got [{string.Join(", ", Shape(input))}] as input {input}, {found} numbers; {count} are wanted. The graph says something else of its heads than it has.");
    }

    /// <summary>Makes an output.</summary>
    public Span<float> Output(int output, params ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long dimension in shape)
            count = checked(count * dimension);
        return new(OrtFunctions.Data(OrtFunctions.Output(context, output, shape)), checked((int)count));
    }
}
