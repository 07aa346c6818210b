namespace Kvant.OnnxRuntime.Native;

/// <summary>A call of an operation: where its inputs lie and its outputs go. Valid until the call returns.</summary>
internal readonly unsafe struct GraphCall(nint context)
{
    /// <summary>The shape of an input.</summary>
    public long[] Shape(int input) => OrtFunctions.Shape(OrtFunctions.Input(context, input));

    /// <summary>The numbers of an input.</summary>
    /// <param name="input">Counted from 0.</param>
    /// <param name="count">How many there are by its shape.</param>
    public ReadOnlySpan<float> Input(int input, long count) => new(OrtFunctions.Data(OrtFunctions.Input(context, input)), checked((int)count));

    /// <summary>Makes an output.</summary>
    public Span<float> Output(int output, params ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long dimension in shape)
            count = checked(count * dimension);
        return new(OrtFunctions.Data(OrtFunctions.Output(context, output, shape)), checked((int)count));
    }
}
