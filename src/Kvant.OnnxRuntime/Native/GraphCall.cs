namespace Kvant.OnnxRuntime.Native;

/// <summary>A call of an operation: where its inputs lie and its outputs go. Valid until the call returns.</summary>
internal readonly unsafe struct GraphCall(nint context)
{
    /// <summary>The shape of an input.</summary>
    public long[] Shape(int input) => OrtFunctions.Shape(OrtFunctions.Input(context, input));

    /// <summary>The numbers of an input of floats.</summary>
    /// <param name="input">Counted from 0.</param>
    /// <param name="count">How many are wanted.</param>
    /// <exception cref="InvalidOperationException">There are more or fewer.</exception>
    public ReadOnlySpan<float> Input(int input, long count)
    {
        long found = Count(Shape(input));
        return found == count ? new((void*)InputData(input), checked((int)count))
            : throw new InvalidOperationException($"Attention got [{string.Join(", ", Shape(input))}] as input {input}, {found} numbers; {count} are wanted. The graph says something else of its heads than it has.");
    }

    /// <summary>Where an input lies.</summary>
    public nint InputData(int input) => (nint)OrtFunctions.Data(OrtFunctions.Input(context, input));

    /// <summary>Makes an output of floats.</summary>
    public Span<float> Output(int output, params ReadOnlySpan<long> shape) => new((void*)OutputData(output, shape), checked((int)Count(shape)));

    /// <summary>Makes an output and says where it lies.</summary>
    public nint OutputData(int output, params ReadOnlySpan<long> shape) => (nint)OrtFunctions.Data(OrtFunctions.Output(context, output, shape));

    /// <summary>Does work on the runtime's threads, part by part, and returns when all is done. What a part throws is thrown here.</summary>
    public void Run(Action<int> work, int parts) => OrtFunctions.Run(context, work, parts);

    /// <summary>How many numbers a tensor of a shape has.</summary>
    public static long Count(ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long dimension in shape)
            count = checked(count * dimension);
        return count;
    }
}
