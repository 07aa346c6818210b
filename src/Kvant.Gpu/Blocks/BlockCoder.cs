using System.Runtime.InteropServices;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Gpu.Drivers;
using Kvant.Gpu.Kernels;
using Kvant.Gpu.Memory;

namespace Kvant.Gpu.Blocks;

/// <summary>Encodes rows of some heads on a device, to the very bytes that their codecs write. One call at a time; its buffers stay until it is disposed.</summary>
internal sealed class BlockCoder(GpuDevice device) : IDisposable
{
    private const int TileRows = RotaryTables.TileRows;

    private readonly GrowingBuffer _work = new(device), _rows = new(device), _heads = new(device), _turned = new(device), _codes = new(device), _blocks = new(device), _marks = new(device);

    /// <summary>Blocks that the device left to the processor until now.</summary>
    public int LeftAlone { get; private set; }

    /// <summary>How a device encodes with a codec; null where the processor must.</summary>
    /// <param name="device">The device.</param>
    /// <param name="codec">A codec of a cache, calibrated or not.</param>
    /// <param name="singleRows">Whether rows are floats of 32 bits; else of 16.</param>
    public static EncodingShape? ShapeOf(GpuDevice device, Codec codec, bool singleRows) =>
        EncodingShape.Of(codec, singleRows) is { } shape && shape.LocalBytes <= device.Info.LocalMemoryBytes && device.Context.WhyNot(KernelSource.OfEncoding, shape.Macros) is null ? shape : null;

    /// <summary>Encodes whole blocks.</summary>
    /// <param name="shape">That of all the codecs.</param>
    /// <param name="codecs">One per head, calibrated.</param>
    /// <param name="rows">[head, row, number], finite, as the window stores them.</param>
    /// <param name="firstRow">The number of the first row; a multiple of a block's.</param>
    /// <param name="blocks">Receives [head, block].</param>
    /// <exception cref="ArgumentException">A codec refuses a block.</exception>
    /// <exception cref="GpuException">The device has no room, or fails.</exception>
    public void Encode(in EncodingShape shape, ReadOnlySpan<Codec> codecs, ReadOnlySpan<byte> rows, int firstRow, Span<byte> blocks)
    {
        SideShape side = shape.Side;
        int heads = codecs.Length, d = side.Dimension, rowBytes = d * (shape.SingleRows ? sizeof(float) : Fp16.Bytes), count = rows.Length / rowBytes, ofHead = count / heads;
        int blockCount = count / side.BlockRows, blockBytes = codecs[0].BytesPerBlock;
        if (count == 0)
            return;
        ReadOnlySpan<int> header = [ofHead, heads];
        nint work = _work.Write(MemoryMarshal.AsBytes(header)), stored = _rows.Write(rows), ofHeads = shape.Shared ? _heads.Write(MemoryMarshal.AsBytes(Shared(shape, codecs, firstRow, ofHead).AsSpan())) : work;
        nint table = device.Tables.OfCoding(codecs[0].Form!.Coding!), turned = _turned.Reserve((long)count * d * sizeof(float)), codes = _codes.Reserve((long)count * d);
        nint made = _blocks.Reserve((long)blockCount * side.BlockBytes);
        int[] marks = new int[blockCount];
        nint marked = _marks.Write(MemoryMarshal.AsBytes(marks.AsSpan()));

        string macros = shape.Macros;
        Launch("enter", blockCount, [work, stored, ofHeads, table, turned, made, marked]);
        if (shape.Rounds > 0)
            Launch("turn", count, [table, turned]);
        if (shape.ArePaths)
            Launch("paths", count * side.Groups / shape.Taken, [work, table, turned, codes, made, marked]);
        else
            Launch("levels", count, [work, table, turned, codes, made, marked]);
        Launch("pack", count / TileRows, [codes, made]);
        byte[] found = new byte[blockCount * side.BlockBytes];
        _blocks.Read(found);
        _marks.Read(MemoryMarshal.AsBytes(marks.AsSpan()));
        for (int block = 0; block < blockCount; block++)
        {
            Span<byte> place = blocks.Slice(block * blockBytes, blockBytes);
            if (marks[block] == 0)
            {
                found.AsSpan(block * side.BlockBytes, blockBytes).CopyTo(place);
                continue;
            }

            LeftAlone++;
            int row = block * side.BlockRows;
            EncodeHere(codecs[row / ofHead], rows.Slice(row * rowBytes, side.BlockRows * rowBytes), shape.SingleRows, firstRow + (row % ofHead), place);
        }

        void Launch(string kernel, int groups, ReadOnlySpan<nint> buffers) => device.Context.Launch(device.Context.Kernel(KernelSource.OfEncoding, macros, kernel), groups, buffers);
    }

    /// <summary>Gives the device's memory back.</summary>
    public void Dispose()
    {
        foreach (GrowingBuffer buffer in (ReadOnlySpan<GrowingBuffer>)[_work, _rows, _heads, _turned, _codes, _blocks, _marks])
            buffer.Free();
    }

    // What rows of the heads share: cosines and sines of the rows of a tile; of each head what is left is multiplied by; of each head, and each of its tiles where positions turn it, the vector.
    private static float[] Shared(in EncodingShape shape, ReadOnlySpan<Codec> codecs, int firstRow, int rows)
    {
        int d = shape.Side.Dimension, tiles = shape.Turns > 0 ? rows / TileRows : 1, at = (2 * TileRows * shape.Turns) + (codecs.Length * d);
        float[] numbers = new float[at + (codecs.Length * tiles * d)];
        Span<double> turns = stackalloc double[2 * shape.Turns];
        for (int head = 0; head < codecs.Length; head++)
        {
            CodingForm coding = codecs[head].Form!.Coding!;
            HeadFrame? frame = coding.Frame;
            Span<float> inverse = numbers.AsSpan((2 * TileRows * shape.Turns) + (head * d), d);
            if (frame is null)
                inverse.Fill(1);
            else
                frame.Inverse.CopyTo(inverse);
            for (int tile = 0; tile < tiles; tile++, at += d)
            {
                Span<float> vector = numbers.AsSpan(at, d);
                (frame is null ? coding.Shared.Span : frame.Constant).CopyTo(vector);
                if (shape.Turns > 0)
                    frame!.SharedAtTile(firstRow + (tile * TileRows), turns, vector);
            }

            if (head > 0 || shape.Turns == 0)
                continue;
            frame!.Tables.Cosines.CopyTo(numbers, 0);
            frame.Tables.Sines.CopyTo(numbers, TileRows * shape.Turns);
        }

        return numbers;
    }

    // What the device left alone: the codec says why, if it refuses it too.
    private static void EncodeHere(Codec codec, ReadOnlySpan<byte> stored, bool singleRows, int firstRow, Span<byte> block)
    {
        float[] rows = new float[codec.RowsPerBlock * codec.Dimension];
        WindowRows.Load(stored, !singleRows, rows);
        codec.Encode(rows, block, firstRow);
    }
}
