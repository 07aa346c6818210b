namespace Kvant.Caching;

/// <summary>Buffers that a cache keeps from call to call. They grow to what the largest call wanted.</summary>
internal sealed class CacheScratch
{
    private float[] _rows = [];
    private float[] _token = [];
    private float[] _block = [];
    private byte[] _rounded = [];
    private byte[] _staged = [];

    /// <summary>Memory for the call in progress.</summary>
    public Stack<Reservation> Reserved { get; } = new();

    /// <summary>Encodes blocks.</summary>
    public BlockClosing Closing { get; } = new();

    /// <summary>Rows of one head.</summary>
    public Span<float> Rows(int floats) => Grown(ref _rows, floats);

    /// <summary>All heads of one token, as floats.</summary>
    public Span<float> Token(int floats) => Grown(ref _token, floats);

    /// <summary>A decoded block.</summary>
    public Span<float> Block(int floats) => Grown(ref _block, floats);

    /// <summary>Tokens as the window stores them, or a block.</summary>
    public Span<byte> Rounded(int bytes) => Grown(ref _rounded, bytes);

    /// <summary>The same for other threads.</summary>
    public ReadOnlyMemory<byte> RoundedMemory(int bytes) => _rounded.AsMemory(0, bytes);

    /// <summary>What is written where it belongs once nothing can fail any more.</summary>
    public Span<byte> Staged(int bytes) => Grown(ref _staged, bytes);

    /// <summary>Puts all that is reserved where it belongs.</summary>
    public void InstallReserved()
    {
        while (Reserved.TryPop(out Reservation reserved))
            reserved.Layer.Install(reserved);
    }

    /// <summary>Drops the buffers; the next call makes its own.</summary>
    public void Trim()
    {
        (_rows, _token, _block, _rounded, _staged) = ([], [], [], [], []);
        Closing.Trim();
    }

    /// <summary>A buffer of at least so many.</summary>
    public static Span<T> Grown<T>(ref T[] buffer, int length)
    {
        if (buffer.Length < length)
            buffer = GC.AllocateUninitializedArray<T>(length);
        return buffer.AsSpan(0, length);
    }
}
