using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Kvant.OnnxRuntime;

/// <summary>Memory of keys or values of a layer, which is used again.</summary>
internal sealed unsafe class PastBuffer(bool isHalf, int heads, int dimension) : IDisposable
{
    private void* _memory;
    private long _bytes;

    /// <summary>Tokens of each head.</summary>
    public int Tokens { get; private set; }

    /// <summary>What lies there, until it is resized.</summary>
    public PastRows Rows => new((nint)_memory, isHalf, heads, Tokens, dimension);

    private int Size => isHalf ? sizeof(Half) : sizeof(float);

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

    public void Dispose()
    {
        NativeMemory.Free(_memory);
        _memory = null;
        _bytes = 0;
    }
}
