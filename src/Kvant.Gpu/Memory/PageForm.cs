using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Gpu.Kernels;

namespace Kvant.Gpu.Memory;

/// <summary>How blocks of a page lie on the device, where those of all heads of some rows (a unit) lie side by side, and how in the cache, where each head has a run of its own.</summary>
/// <param name="step">How the cache stores them.</param>
/// <param name="shape">How the device does.</param>
internal sealed class PageForm(StepLayout step, KernelShape shape)
{
    private const int PageRows = SideLayout.PageRows;

    /// <summary>Bytes of a page on the device.</summary>
    public int Bytes => PageRows / shape.UnitRows * UnitBytes;

    private int UnitBytes => step.Heads * shape.HeadBytes;

    /// <summary>Where on the device the unit of a row begins, counted from where its page does.</summary>
    public long OffsetOf(int row) => (long)(row % PageRows) / shape.UnitRows * UnitBytes;

    /// <summary>Rows of one page as they lie on the device.</summary>
    /// <param name="layer">Has them; the caller holds the lock.</param>
    /// <param name="number">The number of the step there.</param>
    /// <param name="row">The first row.</param>
    /// <param name="rows">How many; whole units.</param>
    public byte[] ToDevice(LayerMemory layer, int number, int row, int rows)
    {
        byte[] units = new byte[rows / shape.UnitRows * UnitBytes];
        for (int unit = 0; unit < rows / shape.UnitRows; unit++)
        {
            for (int head = 0; head < step.Heads; head++)
            {
                for (int side = 0; side < 2; side++)
                    Spread(layer.Body(number, side, head, row + (unit * shape.UnitRows), shape.UnitRows), CodecOf(side), StrideOf(side), PlaceOf(units, unit, head, side));
            }
        }

        return units;
    }

    /// <summary>A whole page as it lies in the cache.</summary>
    /// <param name="units">As it lies on the device.</param>
    /// <param name="page">Receives it; padding stays as it is.</param>
    public void ToCache(Span<byte> units, Span<byte> page)
    {
        for (int unit = 0; unit < PageRows / shape.UnitRows; unit++)
        {
            for (int head = 0; head < step.Heads; head++)
            {
                for (int side = 0; side < 2; side++)
                {
                    SideLayout kind = step.Sides[side];
                    int bytes = (int)kind.BlockBytes(shape.UnitRows);
                    Gather(PlaceOf(units, unit, head, side), CodecOf(side), StrideOf(side), page.Slice((int)step.RunOffset(side, head) + (unit * bytes), bytes));
                }
            }
        }
    }

    private Codec CodecOf(int side) => step.Sides[side].Codec;

    private int StrideOf(int side) => (side == 0 ? shape.Keys : shape.Values).BlockBytes;

    private Span<byte> PlaceOf(Span<byte> units, int unit, int head, int side) => units[((unit * UnitBytes) + (head * shape.HeadBytes) + (side == 0 ? 0 : shape.ValuesAt))..];

    // Blocks as they are, a little apart where their lengths are no multiples of words.
    private static void Spread(ReadOnlySpan<byte> blocks, Codec codec, int stride, Span<byte> to)
    {
        int bytes = codec.BytesPerBlock;
        for (int i = 0; i * bytes < blocks.Length; i++)
            blocks.Slice(i * bytes, bytes).CopyTo(to[(i * stride)..]);
    }

    private static void Gather(ReadOnlySpan<byte> from, Codec codec, int stride, Span<byte> blocks)
    {
        int bytes = codec.BytesPerBlock;
        for (int i = 0; i * bytes < blocks.Length; i++)
            from.Slice(i * stride, bytes).CopyTo(blocks[(i * bytes)..]);
    }
}
