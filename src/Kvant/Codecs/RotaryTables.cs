using System.Collections.Concurrent;
using Kvant.Numerics;

namespace Kvant.Codecs;

/// <summary>
/// Sines and cosines of a rotary embedding, as codecs need them: of the rows of a tile of 32, of every page of 128, and of what makes the scores of a page
/// out of few numbers. All heads of a cache share one.
/// </summary>
/// <remarks>
/// Sum over pairs of a cos(speed j) + b sin(speed j), for the rows j of a page: pairs that turn fast are summed as they stand; those that turn by less than
/// 4.5 radians from the middle of the page to its end are summed at 16 places of it (Chebyshev's), between which a polynomial is exact to 4e-8.
/// </remarks>
internal sealed class RotaryTables
{
    /// <summary>Rows of a tile: what is encoded together.</summary>
    public const int TileRows = 32;

    /// <summary>Rows of a page: what is scored together.</summary>
    public const int PageRows = 128;

    /// <summary>Places at which slow pairs are summed.</summary>
    public const int Places = 16;

    private const double Middle = (PageRows - 1) / 2.0;
    private const double MostRadians = 4.5;

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
        Fast = Order.Count(i => _speeds[i] * Middle > MostRadians);
        double[] places = [.. Enumerable.Range(0, Places).Select(k => Middle * (1 + PortableMath.SinCos(Math.PI * ((2 * k) + 1) / (2 * Places)).Cosine))];
        Rows = CreateRows(places);
        SlowPlaces = CreateSlowPlaces(places);
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

    /// <summary>How many pairs turn fast.</summary>
    public int Fast { get; }

    /// <summary>[cosines of fast pairs, their sines, places][row of a page].</summary>
    public float[] Rows { get; }

    /// <summary>[cosines of slow pairs, their sines][place].</summary>
    public float[] SlowPlaces { get; }

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

    /// <summary>Cosines, then sines, of every pair at the first row of a page, in <see cref="Order"/>.</summary>
    public ReadOnlySpan<float> AtPage(int page) => _pages.GetOrAdd(page, _createPage).Ordered;

    private Turns CreatePage(int page)
    {
        double[] exact = new double[2 * Count];
        float[] ordered = new float[2 * Count];
        Fill((long)page * PageRows, exact);
        for (int i = 0; i < Count; i++)
            (ordered[i], ordered[Count + i]) = ((float)exact[2 * Order[i]], (float)exact[(2 * Order[i]) + 1]);
        return new(exact, ordered);
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

    private float[] CreateRows(double[] places)
    {
        float[] rows = new float[((2 * Fast) + Places) * PageRows];
        for (int row = 0; row < PageRows; row++)
        {
            for (int i = 0; i < Fast; i++)
            {
                (double sine, double cosine) = PortableMath.SinCos(row * _speeds[Order[i]]);
                (rows[(i * PageRows) + row], rows[((Fast + i) * PageRows) + row]) = ((float)cosine, (float)sine);
            }

            // Lagrange's polynomials.
            for (int k = 0; k < Places; k++)
            {
                double value = 1;
                foreach ((int other, double place) in places.Index())
                    value *= other == k ? 1 : (row - place) / (places[k] - place);
                rows[(((2 * Fast) + k) * PageRows) + row] = (float)value;
            }
        }

        return rows;
    }

    private float[] CreateSlowPlaces(double[] places)
    {
        int slow = Count - Fast;
        float[] turns = new float[2 * slow * Places];
        for (int i = 0; i < slow; i++)
        {
            foreach ((int k, double place) in places.Index())
            {
                (double sine, double cosine) = PortableMath.SinCos(place * _speeds[Order[Fast + i]]);
                (turns[(i * Places) + k], turns[((slow + i) * Places) + k]) = ((float)cosine, (float)sine);
            }
        }

        return turns;
    }

    private sealed record Turns(double[] Exact, float[] Ordered);
}
