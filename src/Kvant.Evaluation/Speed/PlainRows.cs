using System.Runtime.InteropServices;
using Kvant.Caching;
using Kvant.Memory;
using Kvant.Numerics;

namespace Kvant.Evaluation.Speed;

/// <summary>Keys and values of one layer in 32-bit floats, head by head, each head's rows in one piece that begins at a cache line.</summary>
internal sealed class PlainRows : IDisposable
{
    private const int AppendedAtOnce = 128;

    private readonly NativePage _page;
    private readonly CacheGeometry _geometry;

    /// <summary>Room for the rows of a layer.</summary>
    /// <param name="geometry">Heads and dimensions.</param>
    /// <param name="tokens">Tokens, at least 1.</param>
    public PlainRows(CacheGeometry geometry, int tokens)
    {
        (_geometry, Tokens) = (geometry, tokens);
        _page = new NativeArena().Take((KeyBytes + ValueBytes) * geometry.KvHeads);
    }

    public int Tokens { get; }

    /// <summary>All bytes.</summary>
    public long Bytes => _page.Bytes;

    // The sizes of both are multiples of a cache line for every multiple of 16 tokens; others cost a little.
    private long KeyBytes => 4L * Tokens * _geometry.KeyDimension;

    private long ValueBytes => 4L * Tokens * _geometry.ValueDimension;

    /// <summary>[token, number] of a head.</summary>
    public Span<byte> Keys(int head) => _page.Slice(head * KeyBytes, checked((int)KeyBytes));

    /// <summary>[token, number] of a head.</summary>
    public Span<byte> Values(int head) => _page.Slice((_geometry.KvHeads * KeyBytes) + (head * ValueBytes), checked((int)ValueBytes));

    /// <summary>Fills all rows with standard normal numbers.</summary>
    public void Randomize(ulong seed)
    {
        for (int head = 0; head < _geometry.KvHeads; head++)
        {
            var random = new SeededRandom(seed, (ulong)head);
            foreach (ref float x in MemoryMarshal.Cast<byte, float>(Keys(head)))
                x = (float)random.NextGaussian();
            foreach (ref float x in MemoryMarshal.Cast<byte, float>(Values(head)))
                x = (float)random.NextGaussian();
        }
    }

    /// <summary>The same rows elsewhere.</summary>
    public PlainRows Copy()
    {
        var copy = new PlainRows(_geometry, Tokens);
        copy._page.CopyFrom(_page);
        return copy;
    }

    /// <summary>Appends all rows to the only layer of a cache.</summary>
    public void AppendTo(KvCache cache)
    {
        float[] keys = new float[AppendedAtOnce * _geometry.KvHeads * _geometry.KeyDimension], values = new float[AppendedAtOnce * _geometry.KvHeads * _geometry.ValueDimension];
        for (int first = 0; first < Tokens; first += AppendedAtOnce)
        {
            int count = Math.Min(AppendedAtOnce, Tokens - first);
            for (int head = 0; head < _geometry.KvHeads; head++)
            {
                Interleave(Keys(head), _geometry.KeyDimension, keys);
                Interleave(Values(head), _geometry.ValueDimension, values);

                void Interleave(Span<byte> rows, int d, float[] tokens)
                {
                    ReadOnlySpan<float> floats = MemoryMarshal.Cast<byte, float>(rows);
                    for (int t = 0; t < count; t++)
                        floats.Slice((first + t) * d, d).CopyTo(tokens.AsSpan(((t * _geometry.KvHeads) + head) * d));
                }
            }

            cache.Append(0, keys.AsSpan(0, count * _geometry.KvHeads * _geometry.KeyDimension), values.AsSpan(0, count * _geometry.KvHeads * _geometry.ValueDimension));
        }
    }

    /// <summary>Takes what the only layer of a cache decodes to.</summary>
    public void TakeFrom(KvCache cache)
    {
        for (int head = 0; head < _geometry.KvHeads; head++)
            cache.Decode(0, head, 0, Tokens, MemoryMarshal.Cast<byte, float>(Keys(head)), MemoryMarshal.Cast<byte, float>(Values(head)));
    }

    public void Dispose() => _page.Free();
}
