namespace Kvant.Caching;

// What takes tokens from the end.
public sealed partial class KvCache
{
    /// <summary>Cuts every layer that is longer to a length, as after speculative tokens that were refused.</summary>
    /// <remarks>
    /// Within the window nothing else changes. Of a compressed block that is cut, the rows that stay are decoded back into the window and
    /// keep their codes when it is compressed again, where its codec allows that; blocks before it keep their bytes.
    /// <see cref="KvCacheOptions.DraftTokens"/> keeps cuts out of compressed blocks, <see cref="CacheStatistics.ExactRows"/> tells. A cut below the first living token leaves the sinks alone: what was evicted does not come back.
    /// </remarks>
    /// <param name="length">Tokens that stay, at least 0.</param>
    /// <exception cref="InvalidOperationException">A layer with a sliding window has forgotten tokens that would be in it again (<see cref="CanTruncate"/>).</exception>
    /// <exception cref="CacheFullException">Shared pages must be copied first, and the pool's limit leaves no room.</exception>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        EnterWrite();
        try
        {
            RequireAlive();
            if (FindForgetful(length) is { } forgetful)
            {
                throw new InvalidOperationException(
                    $"Layer {Array.IndexOf(_layers, forgetful)} has a sliding window of {forgetful.Layout.Shape.SlidingWindow} tokens and has forgotten some that would be in it after a cut to {length}. "
                    + $"{nameof(KvCacheOptions.DraftTokens)} keeps more; a cut to at most {Options.Sinks} always works.");
            }

            long bytes = 0;
            foreach (LayerMemory layer in _own)
            {
                LayerExtent after = layer.Layout.AfterTruncate(layer.Extent, length);
                layer.Reserve(after, LayerTruncation.WritesFront(layer.Layout, layer.Extent, after), _scratch.Reserved);
                bytes += LayerTruncation.StagedBytes(layer.Layout, layer.Extent, after);
            }

            // All layers are cut or none: rows are decoded before the first window is written to.
            Span<byte> all = _scratch.Staged(checked((int)bytes)), staged = all;
            foreach (LayerMemory layer in _own)
            {
                LayerExtent after = layer.Layout.AfterTruncate(layer.Extent, length);
                LayerTruncation.Stage(layer, after, _scratch, Taken(ref staged, layer, after));
            }

            _scratch.InstallReserved();
            staged = all;
            foreach (LayerMemory layer in _own)
            {
                LayerExtent after = layer.Layout.AfterTruncate(layer.Extent, length);
                _changes += after == layer.Extent ? 0 : 1;
                LayerTruncation.Run(layer, after, Taken(ref staged, layer, after));
            }

            TrimOwnPool();
        }
        finally
        {
            ExitWrite();
        }
    }

    /// <summary>Whether <see cref="Truncate"/> leaves every layer with all tokens that its next query looks at. Without sliding windows it always does; a layer with one
    /// forgets what is behind it and <see cref="KvCacheOptions.DraftTokens"/> more.</summary>
    /// <param name="length">Tokens that would stay, at least 0.</param>
    public bool CanTruncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        EnterRead();
        try
        {
            return FindForgetful(length) is null;
        }
        finally
        {
            ExitRead();
        }
    }

    // The part of a layer of what all layers stage.
    private static Span<byte> Taken(ref Span<byte> staged, LayerMemory layer, LayerExtent after)
    {
        int bytes = (int)LayerTruncation.StagedBytes(layer.Layout, layer.Extent, after);
        Span<byte> taken = staged[..bytes];
        staged = staged[bytes..];
        return taken;
    }

    // A layer that lacks tokens after a cut.
    private LayerMemory? FindForgetful(int length)
    {
        foreach (LayerMemory layer in _own)
        {
            if (length < layer.Extent.Length && layer.Layout.HasForgotten(layer.Extent, length))
                return layer;
        }

        return null;
    }
}
