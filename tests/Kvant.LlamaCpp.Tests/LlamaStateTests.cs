using System.Buffers.Binary;

namespace Kvant.LlamaCpp.Tests;

public sealed class LlamaStateTests
{
    public static TheoryData<int> Kinds => [.. Enumerable.Range(0, Samples.All.Length)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void StateSaysWhatItHolds(int sample)
    {
        StateSample wanted = Samples.All[sample];
        byte[] bytes = wanted.ToBytes();
        LlamaState state = Read(bytes);
        Assert.Equal(wanted.Kind, state.Kind);
        Assert.Equal(wanted.Tokens, state.Tokens);
        Assert.Equal(wanted.Caches.Sum(cache => cache.Streams.Sum(stream => stream.Length)), state.Cells);
        Assert.Equal(state.IsWhole ? "llama" : null, state.Architecture);
        Assert.Equal(wanted.Kind == LlamaStateKind.Sequence ? 3 : 0, state.Sequence);
        Assert.Equal(bytes.Length, state.Length);
        Assert.Equal(wanted.Caches.Length + (wanted.Recurrent >= 0 ? 1 : 0), state.Parts.Count);
        Assert.Equal(bytes.Length, state.PartsAt + state.Parts.Sum(part => part.StateBytes));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void StateThatIsCutOffOrTooLongIsRefused(int sample)
    {
        byte[] bytes = Samples.All[sample].ToBytes();
        // What is cut off between two caches is a whole state of another model: llama.cpp, which knows its model, says so.
        LlamaState whole = Read(bytes);
        long[] borders = [.. whole.Parts.Select((_, i) => whole.PartsAt + whole.Parts.Take(i).Sum(part => part.StateBytes)).Skip(1)];
        // All lengths near the beginning and the end; between them some.
        for (int length = 0; length < bytes.Length; length += length < 2000 || length > bytes.Length - 1200 ? 1 : 97)
        {
            if (borders.Contains(length))
                _ = Read(bytes[..length]);
            else
                Assert.Throws<InvalidDataException>(() => Read(bytes[..length]));
        }

        Assert.Throws<InvalidDataException>(() => Read([.. bytes, 0]));
        Assert.Throws<InvalidDataException>(() => Read([.. bytes, .. new byte[64]]));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void NumberThatLiesIsRefusedWithoutGreatAllocation(int sample)
    {
        byte[] bytes = Samples.All[sample].ToBytes();
        int end = Math.Min(bytes.Length, 3000);
        for (int at = 0; at + 4 <= end; at += 4)
        {
            foreach (int lie in (int[])[int.MaxValue, -1, int.MinValue, 1 << 24])
            {
                byte[] lying = [.. bytes];
                BinaryPrimitives.WriteInt32LittleEndian(lying.AsSpan(at), lie);
                long before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    _ = Read(lying);
                }
                catch (InvalidDataException)
                {
                    // As good: a row's number may be anything.
                }

                Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (1 << 20) + (64 * lying.Length));
            }
        }
    }

    [Theory]
    [InlineData(8, "M-RoPE")]
    [InlineData(12, "M-RoPE")]
    public void PositionsOfTwoDimensionsAreRefusedByName(int extra, string name)
    {
        var refused = Assert.Throws<InvalidDataException>(() => Read((new StateSample { ExtraBytes = extra }).ToBytes()));
        Assert.Contains(name, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OtherVersionsAreRefusedWithTheirNumber()
    {
        byte[] bytes = new StateSample { Kind = LlamaStateKind.SessionFile }.ToBytes();
        bytes[4] = 8;
        Assert.Contains("version 8; version 9 is known", Assert.Throws<InvalidDataException>(() => Read(bytes)).Message, StringComparison.Ordinal);
        bytes = new StateSample { Kind = LlamaStateKind.SequenceFile }.ToBytes();
        bytes[4] = 3;
        Assert.Contains("version 3; version 2 is known", Assert.Throws<InvalidDataException>(() => Read(bytes)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CellsThatCannotBeAreRefused()
    {
        Refused([(5, [0]), (5, [0])], "two cells hold position 5 of sequence 0");
        Refused([(-1, [0])], "cell 0");
        Refused([((1 << 30) + 1, [0])], "cell 0");
        Refused([(0, [0, 1])], "belongs to 2 sequences");
        Refused([(0, [])], "belongs to 0 sequences");
        Refused([(0, [256])], "sequences 256");
        Refused([(0, [1, 1])], "sequences 1, 1", LlamaStateKind.Context);
        Refused([(0, [0, 1]), (0, [1])], "position 0 of sequence 1", LlamaStateKind.Context);

        static void Refused((int, int[])[] cells, string reason, LlamaStateKind kind = LlamaStateKind.Sequence)
        {
            StateSample sample = new() { Kind = kind, Caches = [new() { Streams = [cells] }] };
            Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => Read(sample.ToBytes())).Message, StringComparison.Ordinal);
        }
    }

    /// <summary>A sequence has one recurrent state; of more llama.cpp finds one cell, misses the others and ends the process.</summary>
    [Fact]
    public void SequenceWithSeveralRecurrentStatesIsRefused()
    {
        StateSample sample = new() { Recurrent = 2 };
        Assert.Throws<InvalidDataException>(() => Read((sample with { Caches = [] }).ToBytes()));
        Assert.Throws<InvalidDataException>(() => Read(sample.ToBytes()));
        _ = Read((sample with { Kind = LlamaStateKind.Context }).ToBytes());
    }

    [Fact]
    public void TypesThatNoCacheHasAreRefused()
    {
        StateSample sample = new() { Caches = [new() { KeyType = 77 }] };
        Assert.Contains("type 77", Assert.Throws<InvalidDataException>(() => Read(sample.ToBytes())).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => Read((sample with { Caches = [new() { ValueType = 8, IsTransposed = true }] }).ToBytes()));
    }

    [Fact]
    public void StreamThatCannotSeekIsWrongUse() => Assert.Throws<ArgumentException>(() => LlamaState.Read(new OneWay(new MemoryStream([1, 2, 3]))));

    private static LlamaState Read(byte[] bytes) => LlamaState.Read(new MemoryStream(bytes));
}
