using Kvant.Memory;

namespace Kvant.Caching;

// Pages of the body that lie elsewhere: which may leave, and which must be here before a change.
internal sealed partial class LayerMemory
{
    /// <summary>Whether the page of a row of a step is here.</summary>
    public bool IsHere(int step, int row) => _pages[step].Find(row / SideLayout.PageRows) is not { IsAway: true };

    /// <summary>Whether a page may leave: it is here, all of its rows are those of its step, and no other layer holds it.</summary>
    public bool MayLeave(int step, int page) =>
        (long)page * SideLayout.PageRows >= Extent.End(step + 1) && (page + 1L) * SideLayout.PageRows <= Extent.End(step) && _pages[step].Find(page) is { Users: 1, IsAway: false };

    /// <summary>Whether some page may leave.</summary>
    public bool MayLeave()
    {
        for (int step = 0; step < layout.Steps.Length; step++)
        {
            (int first, int end) = layout.Pages(Extent, step);
            for (int page = first; page < end; page++)
            {
                if (MayLeave(step, page))
                    return true;
            }
        }

        return false;
    }

    /// <summary>Leaves a page to somebody who has its bytes.</summary>
    /// <param name="step">Its step.</param>
    /// <param name="page">Its number; one that <see cref="MayLeave(int, int)"/> allows.</param>
    /// <param name="bytes">One user more, of the caller's making.</param>
    public void Leave(int step, int page, IAwayBytes bytes) => pool.Leave(_pages[step][page]!, bytes);

    /// <summary>Who has the bytes of a page, with one user more; null where they are here, or somebody of another kind has them.</summary>
    public T? Lend<T>(int step, int page)
        where T : class, IAwayBytes => _pages[step].Find(page)?.Lend<T>();

    /// <summary>Brings all pages home that there is room for.</summary>
    /// <returns>Whether that was all.</returns>
    /// <exception cref="InvalidOperationException">The bytes of one cannot be had.</exception>
    public bool TryComeHome()
    {
        for (int step = 0; step < layout.Steps.Length; step++)
        {
            (int first, int end) = layout.Pages(Extent, step);
            for (int page = first; page < end; page++)
            {
                if (_pages[step].Find(page)?.TryComeHome() == false)
                    return false;
            }
        }

        return true;
    }

    // Bytes of pages that must come home before the layer becomes something.
    private long BytesToBringHome(LayerExtent after)
    {
        long bytes = 0;
        for (int step = 0; step < layout.Steps.Length; step++)
        {
            (int first, int end, int one) = Touched(step, after);
            for (int page = first; page < end; page++)
                bytes += AwayBytes(step, page);
            bytes += one < 0 || (one >= first && one < end) ? 0 : AwayBytes(step, one);
        }

        return bytes;
    }

    private bool TryBringHome(LayerExtent after)
    {
        for (int step = 0; step < layout.Steps.Length; step++)
        {
            (int first, int end, int one) = Touched(step, after);
            for (int page = first; page < end; page++)
            {
                if (_pages[step].Find(page)?.TryComeHome() == false)
                    return false;
            }

            if (one >= 0 && _pages[step].Find(one)?.TryComeHome() == false)
                return false;
        }

        return true;
    }

    // Pages of a step whose bytes a change needs: those with rows that move on to an older step; and one more, which gets blocks behind those that it has, or whose block is cut.
    private (int First, int End, int One) Touched(int step, LayerExtent after)
    {
        const int Page = SideLayout.PageRows;
        int from = Math.Max(Extent.End(step + 1), layout.FirstBlockRow(after)), to = Math.Min(after.End(step + 1), Extent.End(step));
        int grows = after.End(step) > Extent.End(step) ? Extent.End(step) / Page : -1;
        int cut = after.CutRows > 0 && after.BodyRows < Extent.BodyRows && step == layout.StepOf(Extent, after.BodyRows) ? after.BodyRows / Page : -1;
        return from < to ? (from / Page, ((to - 1) / Page) + 1, Math.Max(grows, cut)) : (0, 0, Math.Max(grows, cut));
    }

    private long AwayBytes(int step, int page) => _pages[step].Find(page) is { IsAway: true } away ? away.Bytes : 0;
}
