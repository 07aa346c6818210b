using System.Runtime.InteropServices;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Gpu.Kernels;
using Kvant.Gpu.Memory;

namespace Kvant.Gpu.Steps;

/// <summary>
/// One run of the kernels: queries of some tokens, the rows that they look at, and the pieces of work (tasks) that work-groups take. All rows are stored alike and in one basis.
/// </summary>
internal sealed class Launch
{
    /// <summary>Rows of a page.</summary>
    public const int PageRows = SideLayout.PageRows;

    // The header of the work: see attend.cl.
    private const int HeaderInts = 16;

    // Work-groups by unit of the device: so many that none waits long for the last.
    private const int TasksPerUnit = 4;

    // Pages that are worth a work-group of their own.
    private const int FewestPagesPerSplit = 2;

    private readonly LayerGeometry _layer;
    private readonly AttentionSettings _settings;
    private readonly List<int> _runs = [], _pages = [], _sights = [];
    private readonly List<(int Token, int Tokens, int FirstRun, int Runs)> _entries = [];
    private readonly List<(int FirstPage, int EndPage)> _extents = []; // of the runs

    /// <summary>Nothing to do yet.</summary>
    /// <param name="shape">What the kernels are built for.</param>
    /// <param name="layer">The shape of the layer.</param>
    /// <param name="settings">How it attends.</param>
    /// <param name="sinksApart">Whether sinks are asked with queries of their own.</param>
    public Launch(KernelShape shape, LayerGeometry layer, AttentionSettings settings, bool sinksApart)
    {
        (Shape, _layer, _settings, SinksApart) = (shape, layer, settings, sinksApart);
    }

    /// <summary>What the kernels are built for.</summary>
    public KernelShape Shape { get; }

    /// <summary>Whether sinks are asked with queries of their own, which stand behind all others.</summary>
    public bool SinksApart { get; }

    /// <summary>Tokens that ask.</summary>
    public int Tokens => _sights.Count / 4;

    /// <summary>The tables that it needs.</summary>
    public (nint Levels, nint Waves, nint Turns) Tables { get; set; }

    /// <summary>[token, query head, <see cref="KernelShape.QueryFloats"/>]; twice where sinks are asked apart.</summary>
    public float[] Queries { get; set; } = [];

    /// <summary>Adds tokens of a sequence with the rows that they look at.</summary>
    /// <returns>The number of the first.</returns>
    public int Add(ReadOnlySpan<Sight> sights, params ReadOnlySpan<Rows> rows)
    {
        int first = Tokens;
        foreach (Sight sight in sights)
            _sights.AddRange([sight.Position, sight.First, sight.FirstSink, sight.End]);
        _entries.Add((first, sights.Length, _extents.Count, rows.Length));
        foreach (Rows run in rows)
        {
            bool none = run.First >= run.End;
            int firstPage = run.First / PageRows, endPage = none ? firstPage : ((run.End - 1) / PageRows) + 1;
            _runs.AddRange([run.First, run.End, _pages.Count / 2, firstPage, run.Position, run.Ring, run.AreSinks ? 1 : 0, 0]);
            _extents.Add((firstPage, endPage));
            foreach ((int slab, long offset) in run.Pages)
                _pages.AddRange([slab, checked((int)(offset / 16))]);
        }

        return first;
    }

    /// <summary>Begins the work.</summary>
    public void Begin(GpuDevice device, Scratch scratch)
    {
        int[] tasks = Tasks(device, out int splits);
        int slopes = _settings.Slopes?.Count ?? 0, tasksAt = HeaderInts + slopes, runsAt = tasksAt + tasks.Length, pagesAt = runsAt + _runs.Count, sightsAt = pagesAt + _pages.Count;
        int[] work = new int[sightsAt + _sights.Count];
        ReadOnlySpan<int> header =
        [
            tasksAt, runsAt, pagesAt, sightsAt, splits, _layer.QueryHeads, _layer.GroupSize, _layer.KvHeads * Shape.HeadBytes, Shape.HeadBytes, Shape.ValuesAt,
            BitConverter.SingleToInt32Bits((_settings.Scale ?? (float)(1 / Math.Sqrt(_layer.KeyDimension))) / _settings.Temperature), BitConverter.SingleToInt32Bits(_settings.SoftCap),
            slopes > 0 ? HeaderInts : 0, SinksApart ? Tokens * _layer.QueryHeads : 0, Shape.Group,
        ];
        header.CopyTo(work);
        for (int i = 0; i < slopes; i++)
            work[HeaderInts + i] = BitConverter.SingleToInt32Bits(_settings.Slopes![i]);
        tasks.CopyTo(work, tasksAt);
        _runs.CopyTo(work, runsAt);
        _pages.CopyTo(work, pagesAt);
        _sights.CopyTo(work, sightsAt);
        int queries = Tokens * _layer.QueryHeads;
        nint workAt = scratch.Work.Write(MemoryMarshal.AsBytes(work.AsSpan())), asked = scratch.Queries.Write(MemoryMarshal.AsBytes(Queries.AsSpan()));
        nint partials = scratch.Partials.Reserve((long)queries * splits * Shape.ResultFloats * sizeof(float)), results = scratch.Results.Reserve((long)queries * Shape.ResultFloats * sizeof(float));
        Span<nint> buffers = stackalloc nint[DeviceMemory.MostSlabs + 6];
        buffers.Fill(workAt); // what is not there is not read, but must be something
        device.Memory.CopySlabs(buffers);
        ReadOnlySpan<nint> others = [workAt, asked, Tables.Levels, Tables.Waves == 0 ? workAt : Tables.Waves, Tables.Turns == 0 ? workAt : Tables.Turns, partials];
        others.CopyTo(buffers[DeviceMemory.MostSlabs..]);
        string macros = Shape.Macros;
        device.Context.Launch(device.Context.Kernel(Shape.Source, macros, "attend"), tasks.Length / 8, buffers);
        device.Context.Launch(device.Context.Kernel(Shape.Source, macros, "merge"), queries, [partials, workAt, results]);
    }

    /// <summary>Waits for the results: [token, query head, <see cref="KernelShape.ResultFloats"/>].</summary>
    public float[] End(Scratch scratch)
    {
        float[] results = new float[Tokens * _layer.QueryHeads * Shape.ResultFloats];
        scratch.Results.Read(MemoryMarshal.AsBytes(results.AsSpan()));
        return results;
    }

    // Each query has equally many results to be merged, of which some may be of nothing.
    private int[] Tasks(GpuDevice device, out int splits)
    {
        int members = (_layer.GroupSize + Shape.Group - 1) / Shape.Group, mostPages = 0, mostRuns = 1, units = 0;
        foreach ((int firstPage, int endPage) in _extents)
            mostPages = Math.Max(mostPages, endPage - firstPage);
        foreach ((_, int tokens, _, int runs) in _entries)
            (units, mostRuns) = (units + ((tokens + Shape.Tokens - 1) / Shape.Tokens * _layer.KvHeads * members), Math.Max(mostRuns, runs));
        int wanted = Math.Max(1, TasksPerUnit * device.Info.ComputeUnits / Math.Max(1, units));
        int perRun = Math.Clamp(wanted, 1, Math.Max(1, mostPages / FewestPagesPerSplit));
        splits = perRun * mostRuns;
        List<int> tasks = new(units * splits * 8);
        foreach ((int first, int tokens, int firstRun, int runs) in _entries)
        {
            for (int token = 0; token < tokens; token += Shape.Tokens)
            {
                for (int head = 0; head < _layer.KvHeads; head++)
                {
                    for (int member = 0; member < _layer.GroupSize; member += Shape.Group)
                    {
                        for (int split = 0; split < splits; split++)
                        {
                            int run = Math.Min(split / perRun, runs - 1), part = split % perRun;
                            (int firstPage, int endPage) = split / perRun < runs ? _extents[firstRun + run] : (0, 0);
                            long pages = endPage - firstPage;
                            tasks.AddRange([firstRun + run, head, first + token, Math.Min(Shape.Tokens, tokens - token), firstPage + (int)(pages * part / perRun), firstPage + (int)(pages * (part + 1) / perRun), split, member]);
                        }
                    }
                }
            }
        }

        return [.. tasks];
    }
}
