using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Kvant.OnnxRuntime;

/// <summary>Keys or values of a layer as the runtime reads and writes them: [sequence, head, token, number], in memory that is used again.</summary>
internal sealed unsafe class PastBuffer(bool isHalf, int heads, int dimension) : IDisposable
{
    private void* _memory;
    private long _bytes;

    /// <summary>Tokens of each head.</summary>
    public int Tokens { get; private set; }

    private int Size => isHalf ? 2 : sizeof(float);

    /// <summary>Makes room; what was there is lost.</summary>
    public void Resize(int sequences, int tokens)
    {
        Tokens = tokens;
        long bytes = Math.Max(64, (long)sequences * heads * tokens * dimension * Size);
        if (bytes <= _bytes)
            return;
        NativeMemory.Free(_memory);
        _memory = null;
        _bytes = 0;
        // Somewhat more, since the next step wants it; pages that nobody writes to take no memory.
        _memory = NativeMemory.AllocZeroed((nuint)(bytes + (bytes / 4)));
        _bytes = bytes + (bytes / 4);
    }

    /// <summary>The same for a runtime.</summary>
    public OrtValue Value(int sequences) => OrtValue.CreateTensorValueWithData(
        OrtMemoryInfo.DefaultInstance, isHalf ? TensorElementType.Float16 : TensorElementType.Float, [sequences, heads, Tokens, dimension], (nint)_memory, (long)sequences * heads * Tokens * dimension * Size);

    /// <summary>Clears tokens of a head.</summary>
    public void Clear(int sequence, int head, int first, int count) => new Span<byte>(At(sequence, head, first), count * dimension * Size).Clear();

    /// <summary>Some numbers of a head, from a token on, where they are floats.</summary>
    public Span<float> Floats(int sequence, int head, int first, int numbers) => new(At(sequence, head, first), numbers);

    /// <summary>Stores numbers of a head in half precision.</summary>
    public void Store(int sequence, int head, int first, ReadOnlySpan<float> floats) => TensorPrimitives.ConvertToHalf(floats, new Span<Half>(At(sequence, head, first), floats.Length));

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

    public void Dispose()
    {
        NativeMemory.Free(_memory);
        _memory = null;
        _bytes = 0;
    }

    private byte* At(int sequence, int head, int token) => (byte*)_memory + (((((long)sequence * heads) + head) * Tokens + token) * dimension * Size);
}
