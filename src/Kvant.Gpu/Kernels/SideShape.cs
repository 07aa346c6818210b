using System.Globalization;
using Kvant.Codecs;

namespace Kvant.Gpu.Kernels;

/// <summary>How keys, or values, lie on the device, as a kernel is built for.</summary>
/// <param name="Dimension">Numbers of a row.</param>
/// <param name="Numbers">How they are stored.</param>
/// <param name="Bits">Bits of a code.</param>
/// <param name="Groups">Groups of numbers with a scale each.</param>
/// <param name="Mean">0 for none, else how a mean is stored, plus 1.</param>
/// <param name="MeanOffset">Where it lies in a block.</param>
/// <param name="BlockRows">Rows of a block.</param>
/// <param name="BlockBytes">From one block of a head to the next: its bytes, rounded up to where kernels may read whole words.</param>
internal readonly record struct SideShape(int Dimension, NumberForm Numbers, int Bits, int Groups, int Mean, int MeanOffset, int BlockRows, int BlockBytes)
{
    /// <summary>The shape of a codec's blocks.</summary>
    /// <param name="codec">A codec of a cache.</param>
    /// <param name="keys">Whether it codes keys.</param>
    /// <param name="what">Whose codec it is, for the message.</param>
    /// <exception cref="NotSupportedException">There are no kernels for it.</exception>
    public static SideShape Of(Codec codec, bool keys, string what)
    {
        BlockForm form = codec.Form ?? throw Unsupported(what, "it is no method that kernels know");
        bool tiles = form.Numbers is NumberForm.Levels or NumberForm.Paths;
        if (tiles && form.KeyOrder != keys)
            throw Unsupported(what, "its codes lie in the order of the other side");
        if (form.Mean is not null && !tiles)
            throw Unsupported(what, "means go with turboquant alone");
        if (!keys && form.Turning is not null)
            throw Unsupported(what, "its values turn with positions");
        if (codec.Dimension > MostNumbers)
            throw Unsupported(what, $"its rows have {codec.Dimension} numbers, more than {MostNumbers}");
        int unit = codec.RowsPerBlock == 1 ? sizeof(float) : 16, bytes = (codec.BytesPerBlock + unit - 1) / unit * unit;
        return new(codec.Dimension, form.Numbers, form.Bits, form.Groups, form.Mean is { } mean ? (int)mean + 1 : 0, form.MeanOffset, codec.RowsPerBlock, bytes);
    }

    /// <summary>The most numbers of a row.</summary>
    public const int MostNumbers = 1024;

    /// <summary>Whether matrix units could take them; a path must be as long as what it remembers.</summary>
    public bool FitsTensors => Dimension <= 128 && Dimension % 16 == 0 && Groups == 1
        && (Numbers is NumberForm.Bytes or NumberForm.Levels || (Numbers == NumberForm.Paths && Dimension / 16 * Bits >= 8));

    /// <summary>The macros that say so, each beginning with a letter.</summary>
    public string Macros(char letter) => string.Create(
        CultureInfo.InvariantCulture,
        $"-D{letter}D={Dimension} -D{letter}_NUMBERS={(int)Numbers} -D{letter}_BITS={Math.Max(1, Bits)} -D{letter}_GROUPS={Groups} -D{letter}_MEAN={Mean} -D{letter}_MEAN_AT={MeanOffset} -D{letter}_BLOCK_ROWS={BlockRows} -D{letter}_BLOCK_BYTES={BlockBytes}");

    private static NotSupportedException Unsupported(string what, string why) =>
        new($"{what} cannot be read on a device: {why}. Kernels read fp16, fp32, q8 and turboquant of 2 to 4 bits (with code=trellis 1 to 4) at dimensions that are multiples of 16, with their means and frames.");
}
