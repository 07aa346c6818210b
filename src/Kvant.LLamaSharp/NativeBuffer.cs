using System.Runtime.InteropServices;
using LLama;
using LLama.Native;

namespace Kvant.LLamaSharp;

/// <summary>Memory that llama.cpp writes a state to, or reads one from.</summary>
internal sealed unsafe class NativeBuffer : IDisposable
{
    private static long s_held;

    private byte* _bytes;

    /// <summary>Memory of a length.</summary>
    /// <exception cref="OutOfMemoryException">There is not so much.</exception>
    public NativeBuffer(long length)
    {
        _bytes = (byte*)NativeMemory.Alloc((nuint)Math.Max(1, length));
        Length = length;
        Interlocked.Add(ref s_held, length);
    }

    /// <summary>It was forgotten.</summary>
    ~NativeBuffer() => Free();

    /// <summary>Bytes that all of them hold by now.</summary>
    public static long Held => Interlocked.Read(ref s_held);

    /// <summary>Its length.</summary>
    public long Length { get; }

    /// <summary>The state of a context, or of one of its sequences.</summary>
    /// <exception cref="InvalidOperationException">llama.cpp does not give it.</exception>
    public static NativeBuffer Of(LLamaContext context, LLamaSeqId? sequence)
    {
        SafeLLamaContextHandle handle = context.NativeHandle;
        nuint size = sequence is { } one ? handle.GetStateSize(one) : handle.GetStateSize();
        var buffer = new NativeBuffer((long)size);
        nuint written = sequence is { } of ? handle.GetState(buffer._bytes, size, of) : handle.GetState(buffer._bytes, size);
        if (written == size && size > 0)
            return buffer;
        buffer.Dispose();
        throw new InvalidOperationException($"llama.cpp gave {written} of the {size} bytes of its state.");
    }

    /// <summary>Hands the memory to a context.</summary>
    /// <returns>Whether it took all of it.</returns>
    public bool Set(LLamaContext context, LLamaSeqId? sequence) =>
        (long)(sequence is { } one ? context.NativeHandle.SetState(_bytes, (nuint)Length, one) : context.NativeHandle.SetState(_bytes, (nuint)Length)) == Length;

    /// <summary>A stream over it.</summary>
    public UnmanagedMemoryStream Open() => new(_bytes, Length, Length, FileAccess.ReadWrite);

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_bytes is null)
            return;
        NativeMemory.Free(_bytes);
        _bytes = null;
        Interlocked.Add(ref s_held, -Length);
    }
}
