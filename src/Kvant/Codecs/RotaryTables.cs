using System.Collections.Concurrent;
using Kvant.Kernels;
using Kvant.Numerics;

namespace Kvant.Codecs;

/// <summary>
/// Sines and cosines of a rotary embedding, as codecs need them: of the rows of a tile of 32, of every page of 128, and of the waves (<see cref="WaveTable"/>) that make the
/// scores of a page. All heads of a cache share one.
/// </summary>
internal sealed class RotaryTables
{
    /// <summary>Rows of a tile: what is encoded together.</summary>
    public const int TileRows = 32;

    /// <summary>Rows of a page: what is scored together.</summary>
    public const int PageRows = WaveTable.PageRows;

    private readonly double[] _speeds;
    private readonly double[] _withinPage; // [tile of the page, pair, cosine and sine]
    private readonly ConcurrentDictionary<int, Turns> _pages = new(); // those that somebody looked at
    private readonly Func<int, Turns> _createPage;
    private double[]? _firstPage; // [row, pair, cosine and sine]: what heads learn from

    /// <summary>The tables of some speeds.</summary>
    /// <param name="speeds">Radians by row, per pair.</param>
    /// <param name="pairs">Which channels are pairs.</param>
    public RotaryTables(ReadOnlySpan<double> speeds, RotaryPairs pairs)
    {
        (_speeds, Pairs, _createPage) = (speeds.ToArray(), pairs, CreatePage);
        _withinPage = new double[PageRows / TileRows * 2 * Count];
        for (int tile = 0; tile < PageRows / TileRows; tile++)
            Fill(tile * TileRows, _withinPage.AsSpan(tile * 2 * Count, 2 * Count));
        (Cosines, Sines) = (new float[TileRows * Count], new float[TileRows * Count]);
        for (int i = 0; i < Cosines.Length; i++)
        {
            (double sine, double cosine) = PortableMath.SinCos(i / Count * _speeds[i % Count]);
            (Cosines[i], Sines[i]) = ((float)cosine, (float)sine);
        }

        Order = [.. Enumerable.Range(0, Count).OrderByDescending(i => _speeds[i])];
        Waves = new WaveTable([.. Order.Select(i => _speeds[i])], PortableMath.SinCos);
    }

    /// <summary>Pairs.</summary>
    public int Count => _speeds.Length;

    /// <summary>Which channels are pairs.</summary>
    public RotaryPairs Pairs { get; }

    /// <summary>Radians by row, per pair.</summary>
    public ReadOnlySpan<double> Speeds => _speeds;

    /// <summary>[row of a tile, pair].</summary>
    public float[] Cosines { get; }

    /// <summary>[row of a tile, pair].</summary>
    public float[] Sines { get; }

    /// <summary>The pairs, fastest first.</summary>
    public int[] Order { get; }

    /// <summary>The pairs in <see cref="Order"/> as waves.</summary>
    public WaveTable Waves { get; }

    /// <summary>The first channel of a pair.</summary>
    public int First(int pair) => Pairs == RotaryPairs.Halves ? pair : 2 * pair;

    /// <summary>The second channel of a pair.</summary>
    public int Second(int pair) => Pairs == RotaryPairs.Halves ? pair + Count : (2 * pair) + 1;

    /// <summary>Cosine and sine of every pair at the first row of a tile; the same numbers on every machine.</summary>
    /// <param name="row">A multiple of 32.</param>
    /// <param name="turns">Receives [pair, cosine and sine].</param>
    public void At(int row, Span<double> turns)
    {
        ReadOnlySpan<double> page = _pages.GetOrAdd(row / PageRows, _createPage).Exact, within = _withinPage.AsSpan(row % PageRows / TileRows * 2 * Count, 2 * Count);
        for (int i = 0; i < 2 * Count; i += 2)
        {
            turns[i] = (page[i] * within[i]) - (page[i + 1] * within[i + 1]);
            turns[i + 1] = (page[i] * within[i + 1]) + (page[i + 1] * within[i]);
        }
    }

    /// <summary>Cosine and sine of every pair at a row of the first page, not by way of its tile: [pair, cosine and sine]. All heads that learn from those rows use the same.</summary>
    /// <param name="row">0 to 127.</param>
    public ReadOnlySpan<double> AtFirst(int row)
    {
        double[] page = _firstPage ?? CreateFirstPage();
        return page.AsSpan(row * 2 * Count, 2 * Count);
    }

    /// <summary>Cosines, then sines, of every pair in the middle of a page, as <see cref="WaveSums"/> reads them.</summary>
    public ReadOnlySpan<float> AtMiddle(int page) => _pages.GetOrAdd(page, _createPage).InMiddle;

    private Turns CreatePage(int page)
    {
        double[] exact = new double[2 * Count];
        float[] inMiddle = new float[2 * Waves.Pairs];
        Fill((long)page * PageRows, exact);
        for (int i = 0; i < Count; i++)
        {
            (double sine, double cosine) = PortableMath.SinCos(((long)page * PageRows * _speeds[Order[i]]) + (WaveTable.Middle * _speeds[Order[i]]));
            (inMiddle[i], inMiddle[Waves.Pairs + i]) = ((float)cosine, (float)sine);
        }

        return new(exact, inMiddle);
    }

    private double[] CreateFirstPage()
    {
        double[] page = new double[PageRows * 2 * Count];
        for (int row = 0; row < PageRows; row++)
            Fill(row, page.AsSpan(row * 2 * Count, 2 * Count));
        return _firstPage = page;
    }

    private void Fill(long row, Span<double> turns)
    {
        for (int i = 0; i < Count; i++)
            (turns[(2 * i) + 1], turns[2 * i]) = PortableMath.SinCos(row * _speeds[i]);
    }

    private sealed record Turns(double[] Exact, float[] InMiddle);
}
