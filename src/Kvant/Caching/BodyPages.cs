using Kvant.Memory;

namespace Kvant.Caching;

/// <summary>The pages of one step of a layer's body, by their numbers: page p holds rows 128 p to 128 p + 127, or as many of them as the step has.</summary>
internal sealed class BodyPages
{
    private NativePage?[] _pages = []; // from page _first on
    private int _first;

    /// <summary>Bytes in pages that others hold too.</summary>
    public long SharedBytes
    {
        get
        {
            long shared = 0;
            foreach (NativePage? page in _pages)
                shared += page is { Users: > 1 } ? page.Bytes : 0;
            return shared;
        }
    }

    /// <summary>Bytes of pages that lie elsewhere.</summary>
    public long AwayBytes
    {
        get
        {
            long away = 0;
            foreach (NativePage? page in _pages)
                away += page is { IsAway: true } ? page.Bytes : 0;
            return away;
        }
    }

    /// <summary>The place of a page that the table has room for.</summary>
    public ref NativePage? this[int page] => ref _pages[page - _first];

    /// <summary>The same pages for one user more.</summary>
    public BodyPages Share()
    {
        foreach (NativePage? page in _pages)
            page?.AddUser();
        return new() { _pages = [.. _pages], _first = _first };
    }

    /// <summary>The page of a number, if it is there.</summary>
    public NativePage? Find(int page)
    {
        int i = page - _first;
        return i < 0 || i >= _pages.Length ? null : _pages[i];
    }

    /// <summary>Makes room in the table. Twice as much as needed, so that tables are copied ever more rarely; places of pages that went leave it here.</summary>
    /// <param name="held">The pages that are there.</param>
    /// <param name="wanted">Those that will be; they begin no earlier unless none is there.</param>
    public void Grow((int First, int End) held, (int First, int End) wanted)
    {
        if (wanted.First >= _first && wanted.End <= _first + _pages.Length)
            return;
        int start = held.End > 0 ? held.First : wanted.First, count = wanted.End - start;
        NativePage?[] table = count <= _pages.Length / 2 ? _pages : new NativePage?[Math.Max(4, 2 * count)];
        Span<NativePage?> there = _pages.AsSpan(held.End > 0 ? held.First - _first : 0, held.End - held.First);
        there.CopyTo(table);
        table.AsSpan(there.Length).Clear();
        (_pages, _first) = (table, start);
    }

    /// <summary>Returns pages to where they came from.</summary>
    public void Return(int first, int end, PagePool pool)
    {
        for (int page = first; page < end; page++)
        {
            pool.Return(this[page]!);
            this[page] = null;
        }
    }

    /// <summary>Returns all that are there.</summary>
    public void ReturnAll(PagePool pool)
    {
        foreach (NativePage? page in _pages)
        {
            if (page is not null)
                pool.Return(page);
        }

        _pages = [];
    }

    /// <summary>Leaves the table as long as it must be.</summary>
    public void Trim((int First, int End) held) =>
        (_pages, _first) = (held.First == held.End ? [] : _pages.AsSpan(held.First - _first, held.End - held.First).ToArray(), held.First);
}
