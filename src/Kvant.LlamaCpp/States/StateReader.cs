using System.Buffers.Binary;

namespace Kvant.LlamaCpp.States;

/// <summary>Reads small numbers of a state one after the other and rows where they lie, from a stream that seeks. Positions count from where the stream stood at first.</summary>
internal sealed class StateReader
{
    private const int BufferBytes = 1 << 16;

    private readonly Stream _stream;
    private readonly long _origin;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private long _buffered; // where the buffer begins
    private int _filled;

    /// <summary>A reader from where a stream stands to its end.</summary>
    /// <exception cref="ArgumentException">The stream cannot seek or read.</exception>
    public StateReader(Stream stream)
    {
        if (!stream.CanSeek || !stream.CanRead)
            throw new ArgumentException("A state is read in more than one order: a stream that reads and seeks is wanted.", nameof(stream));
        (_stream, _origin) = (stream, stream.Position);
        Length = Math.Max(0, stream.Length - _origin);
    }

    /// <summary>Bytes of the state.</summary>
    public long Length { get; }

    /// <summary>The byte that comes next.</summary>
    public long Position { get; set; }

    /// <summary>Bytes from there on.</summary>
    public long Rest => Length - Position;

    /// <summary>Reads a number of 32 bits.</summary>
    public int Int32(string what) => BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int), what));

    /// <summary>Reads a number of 32 bits that counts something.</summary>
    /// <exception cref="InvalidDataException">It is above the most.</exception>
    public int Count(long most, string what)
    {
        uint found = BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint), what));
        return found <= Math.Clamp(most, 0, int.MaxValue) ? (int)found : throw Error($"{found} {what}; at most {Math.Max(0, most)} are possible here", Position - sizeof(uint));
    }

    /// <summary>Reads a number of 64 bits.</summary>
    public long Int64(string what) => BinaryPrimitives.ReadInt64LittleEndian(Take(sizeof(long), what));

    /// <summary>Reads bytes in order; they are good until the next call.</summary>
    public ReadOnlySpan<byte> Take(int count, string what)
    {
        if (count > Rest)
            throw Error($"the state ends within {what}: {count} bytes are wanted, {Math.Max(0, Rest)} are left", Position);
        if (Position < _buffered || Position + count > _buffered + _filled)
            Fill();
        ReadOnlySpan<byte> taken = _buffer.AsSpan((int)(Position - _buffered), count);
        Position += count;
        return taken;
    }

    /// <summary>Passes over rows.</summary>
    public void Skip(long count, string what)
    {
        if (count < 0 || count > Rest)
            throw Error($"the state ends within {what}: {count} bytes are wanted, {Math.Max(0, Rest)} are left", Position);
        Position += count;
    }

    /// <summary>Reads rows from where they lie.</summary>
    /// <exception cref="EndOfStreamException">The stream became shorter.</exception>
    public void Read(long position, Span<byte> destination)
    {
        _stream.Position = _origin + position;
        _stream.ReadExactly(destination);
    }

    /// <summary>An error at a place.</summary>
    public static InvalidDataException Error(string message, long position) => new($"no state of llama.cpp that is known: {message}, at byte {position}");

    private void Fill()
    {
        _stream.Position = _origin + Position;
        _buffered = Position;
        _filled = _stream.ReadAtLeast(_buffer, (int)Math.Min(BufferBytes, Rest), throwOnEndOfStream: true);
    }
}
