namespace Kvant.Models.Formats;

/// <summary>Makes a <see cref="TensorFormat"/> of a definition. The definition is a structure, so that the runtime compiles both uses of
/// it as if each were written by hand: reading is inlined, so that the sink lives in registers.</summary>
internal sealed class StoredFormat<TFormat>() : TensorFormat(TFormat.Id, TFormat.Name, TFormat.BlockLength, TFormat.BlockBytes)
    where TFormat : struct, IStoredFormat
{
    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        StoreSink sink = new(numbers);
        TFormat.Read(blocks, ref sink);
    }

    private protected override float DotBlocks(ReadOnlySpan<byte> blocks, ReadOnlySpan<float> vector)
    {
        DotSink sink = new(vector);
        TFormat.Read(blocks, ref sink);
        return sink.Sum;
    }
}
