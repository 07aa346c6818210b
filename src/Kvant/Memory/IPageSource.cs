namespace Kvant.Memory;

/// <summary>Where a page that is away finds memory when its bytes are wanted.</summary>
internal interface IPageSource
{
    /// <summary>A page that nobody else holds, if there is room.</summary>
    bool TryRent(long bytes, out NativePage page);

    /// <summary>Takes it back.</summary>
    void Return(NativePage page);

    /// <summary>What to throw where there is no room.</summary>
    Exception Full(long bytes);
}
