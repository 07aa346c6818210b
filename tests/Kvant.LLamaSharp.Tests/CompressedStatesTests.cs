using Kvant.Caching;
using Kvant.Tests.Formats;
using LLama.Common;
using LLama.Native;
using LlamaStateBars;

namespace Kvant.LLamaSharp.Tests;

public sealed class CompressedStatesTests
{
    private const GGMLType F16 = GGMLType.GGML_TYPE_F16, F32 = GGMLType.GGML_TYPE_F32, BF16 = (GGMLType)30, Q8 = GGMLType.GGML_TYPE_Q8_0;

    // llama.cpp ends the process where keys of bf16 are to be turned.
    public static TheoryData<bool, Streams, GGMLType, bool> Kinds =>
    [
        .. from flash in (bool[])[true, false]
           from streams in Enum.GetValues<Streams>()
           from type in (GGMLType[])[F16, F32, BF16]
           from shifted in (bool[])[true, false]
           where !shifted || type != BF16
           select (flash, streams, type, shifted),
    ];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void ContextsOfEveryKindComeBackBitForBit(bool flash, Streams streams, GGMLType type, bool shifted)
    {
        int sequences = streams == Streams.One ? 1 : 4;
        void Change(ModelParams p) => (p.FlashAttention, p.SeqMax, p.KVUnified, p.TypeK, p.TypeV) = (flash, (uint)sequences, streams != Streams.Four, type, type);
        byte[] wanted, file;
        using (Engine engine = Mini.Open(Change))
        {
            for (int sequence = 0; sequence < sequences; sequence++)
            {
                engine.Read(Mini.Tokens(engine, 60 + sequence, 10 * sequence), 0, sequence);
                if (shifted)
                {
                    engine.Context.NativeHandle.MemorySequenceRemove((LLamaSeqId)sequence, 4, 20);
                    engine.Context.NativeHandle.MemorySequenceAdd((LLamaSeqId)sequence, 20, -1, -16);
                    engine.Read([5], 44 + sequence, sequence);
                }
            }

            wanted = Mini.State(engine);
            file = Mini.Save(engine, null, Mini.Exact);
        }

        using Engine another = Mini.Open(Change);
        Mini.Load(another, file);
        Assert.Equal(wanted, Mini.State(another));
    }

    [Theory]
    [InlineData(true, false, F16, F32)]
    [InlineData(false, true, F16, F16)]
    [InlineData(true, false, BF16, F16)]
    [InlineData(false, false, F32, BF16)]
    [InlineData(null, null, F16, F16)]
    public void SequencesGoBetweenContextsOfOtherKinds(bool? flash, bool? otherFlash, GGMLType type, GGMLType otherType)
    {
        int[] wanted, tokens;
        byte[] file;
        using (Engine engine = Mini.Open(p => (p.FlashAttention, p.TypeK, p.TypeV) = (flash, type, type)))
        {
            tokens = Mini.Tokens(engine, 400);
            wanted = engine.Greedy(engine.Read(tokens, 0), 400, 20);
            engine.Context.NativeHandle.MemorySequenceRemove(LLamaSeqId.Zero, 400, -1);
            file = Mini.Save(engine, 0, Mini.Exact);
        }

        // Another number, too, in a context that keeps sequences apart and has one in this place.
        using Engine another = Mini.Open(p => (p.FlashAttention, p.TypeK, p.TypeV, p.SeqMax, p.KVUnified) = (otherFlash, otherType, otherType, 3, false));
        another.Read(Mini.Tokens(another, 30, 100), 0, 1);
        another.Read(Mini.Tokens(another, 50, 200), 0, 2);
        byte[] before = Mini.State(another, 2);
        Mini.Load(another, file, 1);
        Assert.Equal(wanted, Mini.GoOn(another, tokens[^1], 400, 20, 1));
        Assert.Equal(before, Mini.State(another, 2));
    }

    [Fact]
    public void ContextThatDoesNotSayHowValuesLieIsFoundOut()
    {
        byte[] file;
        int[] tokens, wanted;
        using (Engine engine = Mini.Open(p => p.FlashAttention = false))
        {
            tokens = Mini.Tokens(engine, 300);
            wanted = engine.Greedy(engine.Read(tokens, 0), 300, 10);
            engine.Context.NativeHandle.MemorySequenceRemove(LLamaSeqId.Zero, 300, -1);
            file = Mini.Save(engine, 0, Mini.Exact);
        }

        // llama.cpp takes flash attention by itself where it can, so this is the other way round.
        using Engine another = Mini.Open(p => p.FlashAttention = null);
        Mini.Load(another, file, 0);
        Assert.Equal(wanted, Mini.GoOn(another, tokens[^1], 300, 10));
    }

    /// <summary>Where a context leaves it to llama.cpp whether sequences share a stream, it is found out.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData(true)]
    [InlineData(false)]
    public void ContextThatDoesNotSayWhetherItIsUnifiedIsFoundOut(bool? unified)
    {
        void Change(ModelParams p) => (p.SeqMax, p.KVUnified) = (3, unified);
        byte[] wanted, file, sequence;
        using (Engine engine = Mini.Open(Change))
        {
            engine.Read(Mini.Tokens(engine, 60), 0, 0);
            engine.Read(Mini.Tokens(engine, 80), 0, 2);
            (wanted, file, sequence) = (Mini.State(engine), Mini.Save(engine, null, Mini.Exact), Mini.Save(engine, 2, Mini.Exact));
        }

        using Engine another = Mini.Open(Change), third = Mini.Open(Change);
        Mini.Load(another, file);
        Assert.Equal(wanted, Mini.State(another));
        Mini.Load(third, sequence, 2);
        Assert.Equal(Mini.State(another, 2), Mini.State(third, 2));
    }

    [Fact]
    public void QualityWritesTheSameTokens()
    {
        using Engine engine = Mini.Open();
        int[] tokens = Mini.Tokens(engine, 1000), wanted = engine.Greedy(engine.Read(tokens, 0), 1000, 100);
        engine.Context.NativeHandle.MemorySequenceRemove(LLamaSeqId.Zero, 1000, -1);
        byte[] file = Mini.Save(engine, 0, new() { Policy = CachePreset.Named("quality").ForLayers(1), Tokens = tokens });
        Assert.InRange((double)Mini.State(engine, 0).Length / file.Length, 1.8, 2.2);
        using Engine another = Mini.Open();
        Assert.Equal(tokens, Mini.Load(another, file, 0).Tokens);
        Assert.Equal(wanted, Mini.GoOn(another, tokens[^1], 1000, 100));
    }

    [Fact]
    public void RowsOfBlocksAreKeptForContextsOfTheSameTypes()
    {
        byte[] wanted, file;
        using (Engine engine = Mini.Open(p => (p.FlashAttention, p.TypeK, p.TypeV) = (true, Q8, Q8)))
        {
            engine.Read(Mini.Tokens(engine, 200), 0);
            wanted = Mini.State(engine);
            file = Mini.Save(engine);
        }

        using (Engine another = Mini.Open(p => (p.FlashAttention, p.TypeK, p.TypeV) = (true, Q8, Q8)))
        {
            Mini.Load(another, file);
            Assert.Equal(wanted, Mini.State(another));
        }

        using Engine floats = Mini.Open();
        Assert.Contains("rows of q8_0", Assert.Throws<InvalidDataException>(() => Mini.Load(floats, file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatDoesNotBelongHereIsRefusedAndChangesNothing()
    {
        using Engine engine = Mini.Open();
        engine.Read(Mini.Tokens(engine, 300), 0);
        byte[] whole = Mini.Save(engine), sequence = Mini.Save(engine, 0), before = Mini.State(engine);
        Refused(engine, sequence, null, "it is the state of a sequence");
        Refused(engine, whole, 0, "it is the state of a context");
        Refused(engine, Mini.Save(engine, 0, new() { Identity = new() { Weights = "another" } }), 0, "it belongs to weights 'another'");
        Assert.Equal(before, Mini.State(engine));
        Mini.Load(engine, Mini.Save(engine, 0, new() { Identity = new() { Weights = "another" } }), 0, new() { Weights = "another" });

        using (Engine other = Mini.Open(model: Mini.Other))
            Refused(other, sequence, 0, "it belongs to weights 'llama.cpp ");
        using (Engine turned = Mini.Open(p => p.RopeFrequencyBase = 5000))
            Refused(turned, sequence, 0, "base 5000");
        using (Engine small = Mini.Open(context: 256))
            Refused(small, sequence, 0, "it has 300 tokens; the context has room for 256");
        using (Engine streams = Mini.Open(p => (p.SeqMax, p.KVUnified) = (2, false)))
            Refused(streams, whole, null, "it has 1 streams; the context has 2");

        static void Refused(Engine engine, byte[] file, int? sequence, string reason) =>
            Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => Mini.Load(engine, file, sequence)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RoomThatOthersTookIsAReason()
    {
        using Engine engine = Mini.Open(p => p.SeqMax = 2, context: 512);
        engine.Read(Mini.Tokens(engine, 400), 0);
        byte[] file = Mini.Save(engine, 0);
        Assert.Contains("did not take", Assert.Throws<InvalidOperationException>(() => Mini.Load(engine, file, 1)).Message, StringComparison.Ordinal);
        Mini.Load(engine, file, 0);
    }

    [Fact]
    public void NothingThatIsDamagedReachesLlamaCpp()
    {
        using Engine engine = Mini.Open();
        int[] tokens = Mini.Tokens(engine, 150);
        engine.Read(tokens, 0);
        byte[] file = Mini.Save(engine, 0), before = Mini.State(engine);
        long held = NativeBuffer.Held;
        var random = new Random(1);
        for (int i = 0; i < 500; i++)
        {
            byte[] mutant = Mutator.Mutant(file, random);
            if (mutant.AsSpan().SequenceEqual(file))
                continue;
            // A byte behind the last frame belongs to somebody else.
            if (mutant.Length > file.Length && mutant.AsSpan(0, file.Length).SequenceEqual(file))
                continue;
            Assert.Throws<InvalidDataException>(() => Mini.Load(engine, mutant, 0));
        }

        Assert.Equal(before, Mini.State(engine));
        Assert.Equal(held, NativeBuffer.Held);
    }

    [Fact]
    public void FilesAppearWholeOrNotAtAll()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Root, "state.kvant");
        using Engine engine = Mini.Open();
        engine.Read(Mini.Tokens(engine, 200), 0);
        using (var cancelled = new CancellationTokenSource())
        {
            cancelled.Cancel();
            Assert.Throws<OperationCanceledException>(() => engine.Context.SaveCompressedState(path, cancellation: cancelled.Token));
        }

        Assert.Empty(Directory.GetFiles(folder.Root));
        engine.Context.SaveCompressedState(path);
        Assert.Equal(200, engine.Context.LoadCompressedState(path).Cells);
    }

    public enum Streams
    {
        One,
        Unified,
        Four,
    }
}
