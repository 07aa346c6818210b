using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Gpu.Kernels;

namespace Kvant.Gpu.Memory;

/// <summary>The blocks of one step of a layer's body on the device: pages of 128 rows, in which the blocks of all heads of some rows lie side by side.</summary>
internal sealed class StepCopy(DeviceMemory memory, LayerLayout layout, int step)
{
    private const int PageRows = SideLayout.PageRows;

    private readonly Dictionary<int, DeviceRange> _pages = [];

    /// <summary>How the blocks lie, but for what turns.</summary>
    public KernelShape Shape { get; } = ShapeOf(layout, step, 0);

    /// <summary>The first row that is there.</summary>
    public int First { get; private set; }

    /// <summary>The row behind the last.</summary>
    public int End { get; private set; }

    /// <summary>Bytes of its pages.</summary>
    public long Bytes => _pages.Values.Sum(page => page.Bytes);

    private int UnitBytes => layout.Heads * Shape.HeadBytes;

    /// <summary>How blocks of a step lie.</summary>
    /// <exception cref="NotSupportedException">There are no kernels for one of its codecs.</exception>
    public static KernelShape ShapeOf(LayerLayout layout, int step, int layer)
    {
        StepLayout kind = layout.Steps[step];
        SideShape keys = SideShape.Of(kind.Sides[0].Codec, true, $"Layer {layer}: '{kind.Specs.Keys}'"), values = SideShape.Of(kind.Sides[1].Codec, false, $"Layer {layer}: '{kind.Specs.Values}'");
        return new(keys, values, StepLayout.LargestBlock(kind.Sides), 0, true);
    }

    /// <summary>Where a page lies.</summary>
    public DeviceRange Page(int page) => _pages[page];

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        foreach (DeviceRange page in _pages.Values)
            memory.Return(page);
        _pages.Clear();
        (First, End) = (0, 0);
    }

    /// <summary>Copies blocks that are not there yet, and forgets those that went. Whoever calls holds the cache's lock.</summary>
    public void Follow(LayerMemory layer)
    {
        LayerExtent extent = layer.Extent;
        int first = Math.Max(layout.FirstBlockRow(extent), extent.End(step + 1)), end = extent.End(step);
        if (first >= end)
        {
            Clear();
            return;
        }

        foreach (int page in _pages.Keys.Where(page => page < first / PageRows).ToArray())
        {
            memory.Return(_pages[page]);
            _pages.Remove(page);
        }

        // Rows before are there, unless others went ahead of all of them.
        int row = Math.Clamp(End, first, end);
        First = first;
        while (row < end)
        {
            int rows = Math.Min(end - row, PageRows - (row % PageRows));
            Copy(layer, row, rows);
            End = row += rows;
        }
    }

    private void Copy(LayerMemory layer, int row, int rows)
    {
        int page = row / PageRows, unitRows = Shape.UnitRows;
        if (!_pages.TryGetValue(page, out DeviceRange range))
            _pages.Add(page, range = memory.Take((long)PageRows / unitRows * UnitBytes, "A page of the cache"));
        byte[] units = new byte[rows / unitRows * UnitBytes];
        for (int unit = 0; unit < rows / unitRows; unit++)
        {
            for (int head = 0; head < layout.Heads; head++)
            {
                Span<byte> to = units.AsSpan((unit * UnitBytes) + (head * Shape.HeadBytes), Shape.HeadBytes);
                Spread(layer.Body(step, 0, head, row + (unit * unitRows), unitRows), layout.Steps[step].Sides[0].Codec, Shape.Keys.BlockBytes, to);
                Spread(layer.Body(step, 1, head, row + (unit * unitRows), unitRows), layout.Steps[step].Sides[1].Codec, Shape.Values.BlockBytes, to[Shape.ValuesAt..]);
            }
        }

        memory.Write(range, (long)(row % PageRows) / unitRows * UnitBytes, units);
    }

    // Blocks as they are, a little apart where their lengths are no multiples of words.
    private static void Spread(ReadOnlySpan<byte> blocks, Codec codec, int stride, Span<byte> to)
    {
        int bytes = codec.BytesPerBlock;
        for (int i = 0; i * bytes < blocks.Length; i++)
            blocks.Slice(i * bytes, bytes).CopyTo(to[(i * stride)..]);
    }
}
