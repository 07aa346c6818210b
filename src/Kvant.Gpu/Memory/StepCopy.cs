using Kvant.Caching;
using Kvant.Gpu.Kernels;

namespace Kvant.Gpu.Memory;

/// <summary>The blocks of one step of a layer's body on the device: pages of 128 rows, in which the blocks of all heads of some rows lie side by side.</summary>
internal sealed class StepCopy
{
    private const int PageRows = SideLayout.PageRows;

    private readonly GpuDevice _device;
    private readonly LayerLayout _layout;
    private readonly int _step;
    private readonly PageForm _form;
    private readonly Dictionary<int, DevicePage> _pages = [];

    /// <summary>Nothing of a step yet.</summary>
    public StepCopy(GpuDevice device, LayerLayout layout, int step)
    {
        (_device, _layout, _step, Shape) = (device, layout, step, ShapeOf(layout, step, 0));
        _form = new(layout.Steps[step], Shape);
    }

    /// <summary>How the blocks lie, but for what turns.</summary>
    public KernelShape Shape { get; }

    /// <summary>The first row that is there.</summary>
    public int First { get; private set; }

    /// <summary>The row behind the last.</summary>
    public int End { get; private set; }

    /// <summary>Bytes of its pages.</summary>
    public long Bytes => _pages.Values.Sum(page => page.Range.Bytes);

    /// <summary>How blocks of a step lie.</summary>
    /// <exception cref="NotSupportedException">There are no kernels for one of its codecs.</exception>
    public static KernelShape ShapeOf(LayerLayout layout, int step, int layer)
    {
        StepLayout kind = layout.Steps[step];
        SideShape keys = SideShape.Of(kind.Sides[0].Codec, true, $"Layer {layer}: '{kind.Specs.Keys}'"), values = SideShape.Of(kind.Sides[1].Codec, false, $"Layer {layer}: '{kind.Specs.Values}'");
        return new(keys, values, StepLayout.LargestBlock(kind.Sides), 0, true);
    }

    /// <summary>Where a page lies.</summary>
    public DeviceRange Page(int page) => _pages[page].Range;

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        foreach (DevicePage page in _pages.Values)
            page.RemoveUser();
        _pages.Clear();
        (First, End) = (0, 0);
    }

    /// <summary>Copies blocks that are not there yet, and forgets those that went. Whoever calls holds the cache's lock.</summary>
    public void Follow(LayerMemory layer)
    {
        LayerExtent extent = layer.Extent;
        int first = Math.Max(_layout.FirstBlockRow(extent), extent.End(_step + 1)), end = extent.End(_step);
        if (first >= end)
        {
            Clear();
            return;
        }

        foreach (int page in _pages.Keys.Where(page => page < first / PageRows).ToArray())
        {
            _pages[page].RemoveUser();
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

    /// <summary>Lets pages of the cache leave whose bytes are all here. Whoever calls has the cache to himself, and nothing of the layer went since <see cref="Follow"/>.</summary>
    public void Leave(LayerMemory layer)
    {
        foreach ((int number, DevicePage page) in _pages)
        {
            if ((number + 1L) * PageRows > End || !layer.MayLeave(_step, number))
                continue;
            page.AddUser();
            layer.Leave(_step, number, page);
        }
    }

    private void Copy(LayerMemory layer, int row, int rows)
    {
        int number = row / PageRows;
        if (!_pages.TryGetValue(number, out DevicePage? page))
        {
            // What lies here and nowhere else is as the cache left it, so it need not come again.
            page = layer.Lend<DevicePage>(_step, number);
            if (page?.IsOn(_device) == true)
            {
                _pages.Add(number, page);
                return;
            }

            page?.RemoveUser();
            _pages.Add(number, page = new(_device, _form));
        }
        else if (page.IsShared)
        {
            // Others read what would be written over.
            Replace(layer, page, number, row + rows);
            return;
        }

        Write(layer, page, row, rows);
    }

    private void Replace(LayerMemory layer, DevicePage page, int number, int end)
    {
        var own = new DevicePage(_device, _form);
        int first = Math.Max(First, number * PageRows);
        try
        {
            Write(layer, own, first, end - first);
        }
        catch
        {
            own.RemoveUser();
            throw;
        }

        _pages[number] = own;
        page.RemoveUser();
    }

    private void Write(LayerMemory layer, DevicePage page, int row, int rows) => _device.Memory.Write(page.Range, _form.OffsetOf(row), _form.ToDevice(layer, _step, row, rows));
}
