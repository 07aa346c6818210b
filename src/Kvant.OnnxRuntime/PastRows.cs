using System.Numerics.Tensors;
using Kvant.Caching;

namespace Kvant.OnnxRuntime;

/// <summary>Keys or values of a layer as a runtime reads and writes them: [sequence, head, token, number], floats or halves, in memory of somebody else.</summary>
/// <param name="memory">Where they lie.</param>
/// <param name="isHalf">Whether they are halves.</param>
/// <param name="heads">Heads of a sequence.</param>
/// <param name="tokens">Tokens of a head.</param>
/// <param name="dimension">Numbers of a token.</param>
internal readonly unsafe struct PastRows(nint memory, bool isHalf, int heads, int tokens, int dimension)
{
    // So many tokens are decoded and then rounded, while they are near.
    private const int Piece = 512;

    private int Size => isHalf ? sizeof(Half) : sizeof(float);

    /// <summary>Clears tokens of a head.</summary>
    public void Clear(int sequence, int head, int first, int count) => new Span<byte>(At(sequence, head, first), count * dimension * Size).Clear();

    /// <summary>Writes tokens of a head as the cache decodes them.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="side">0 for keys, 1 for values.</param>
    /// <param name="sequence">Which sequence they are of here.</param>
    /// <param name="head">Which head.</param>
    /// <param name="first">The first of them in the cache.</param>
    /// <param name="count">How many.</param>
    /// <param name="place">Where the cache's first token stands here.</param>
    /// <param name="scratch">Room of this thread, which grows where it has to.</param>
    public void Decode(LayerMemory layer, int side, int sequence, int head, int first, int count, int place, ref float[]? scratch)
    {
        if (!isHalf)
        {
            LayerReading.Decode(layer, side, head, first, count, new(At(sequence, head, place + first), count * dimension));
            return;
        }

        scratch = scratch?.Length >= Piece * dimension ? scratch : new float[Piece * dimension];
        for (int end = first + count, taken; first < end; first += taken)
        {
            // Pieces end where blocks do.
            int row = first - layer.Layout.Sinks;
            taken = Math.Min(end - first, row < 0 ? Math.Min(-row, Piece) : Piece - (row % Piece));
            Span<float> floats = scratch.AsSpan(0, taken * dimension);
            LayerReading.Decode(layer, side, head, first, taken, floats);
            TensorPrimitives.ConvertToHalf(floats, new Span<Half>(At(sequence, head, place + first), floats.Length));
        }
    }

    /// <summary>Copies tokens of all heads of a sequence to [token, head, number].</summary>
    public void CopyTokens(int sequence, int first, int count, Span<float> floats)
    {
        for (int head = 0; head < heads; head++)
        {
            for (int token = 0; token < count; token++)
            {
                Span<float> row = floats.Slice(((token * heads) + head) * dimension, dimension);
                if (isHalf)
                    TensorPrimitives.ConvertToSingle(new ReadOnlySpan<Half>(At(sequence, head, first + token), dimension), row);
                else
                    new ReadOnlySpan<float>(At(sequence, head, first + token), dimension).CopyTo(row);
            }
        }
    }

    /// <summary>Copies tokens of a head as they are.</summary>
    public void CopyTo(PastRows other, int sequence, int head, int first, int count) =>
        new ReadOnlySpan<byte>(At(sequence, head, 0), count * dimension * Size).CopyTo(new(other.At(sequence, head, first), count * dimension * Size));

    private byte* At(int sequence, int head, int token) => (byte*)memory + (((((long)sequence * heads) + head) * tokens + token) * dimension * Size);
}
