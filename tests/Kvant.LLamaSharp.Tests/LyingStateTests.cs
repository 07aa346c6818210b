using System.Buffers.Binary;
using Kvant.LlamaCpp;
using Kvant.LlamaCpp.States;
using LLama.Native;
using LlamaStateBars;

namespace Kvant.LLamaSharp.Tests;

/// <summary>States that are whole and of the right model, and of which llama.cpp would end the process, take all memory or lose a sequence.</summary>
public sealed class LyingStateTests
{
    [Theory]
    [InlineData(200, "sequence 200")]
    [InlineData(3, "sequence 3")]
    [InlineData(0, "sequence 0")]
    public void StreamsHoldTheirOwnSequences(int lie, string reason)
    {
        using Engine engine = Mini.Open(p => (p.SeqMax, p.KVUnified) = (4, false));
        for (int sequence = 0; sequence < 4; sequence++)
            engine.Read(Mini.Tokens(engine, 20, 10 * sequence), 0, sequence);
        byte[] state = Mini.State(engine);
        LlamaState read = LlamaState.Read(new MemoryStream(state));
        AttentionPart part = Assert.IsType<AttentionPart>(Assert.Single(read.Parts));
        // The table of cells of the second stream ends eight bytes and the head of the first layer before its keys.
        long end = part.Streams[1].KeyOffsets[0] - LayerRows.HeaderBytes - 8;
        for (int cell = 0; cell < 20; cell++)
            BinaryPrimitives.WriteInt32LittleEndian(state.AsSpan((int)end - 4 - (12 * cell)), lie);
        RefusedAndChangesNothing(engine, Compress(engine, state), null, reason);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(2)]
    [InlineData(300)]
    public void SequencesThatAContextDoesNotHaveAreWrongUse(int sequence)
    {
        using Engine engine = Mini.Open(p => p.SeqMax = 2);
        engine.Read(Mini.Tokens(engine, 20), 0);
        byte[] file = Mini.Save(engine, 0);
        Assert.Throws<ArgumentOutOfRangeException>(() => Mini.Save(engine, sequence));
        Assert.Throws<ArgumentOutOfRangeException>(() => Mini.Load(engine, file, sequence));
    }

    [Fact]
    public void RowsThatAreWiderThanAnyOfTheModelAreRefused()
    {
        using Engine engine = Mini.Open();
        engine.Read(Mini.Tokens(engine, 20), 0);
        LlamaState state = LlamaState.Read(new MemoryStream(Mini.State(engine, 0)));
        AttentionPart part = Assert.IsType<AttentionPart>(Assert.Single(state.Parts));
        LayerRows wide = new(GgmlType.F16, 2 << 20, GgmlType.F16, 2 << 20);
        var cells = new CellTable();
        cells.Add(2000, 0, [0]);
        byte[] file = LlamaCpp.Tests.ForgedFile.Of(ModelFacts.Of(engine.Context).Identity, part with { Layers = [.. part.Layers.Select(_ => wide)], Streams = [new StreamPart(cells, [], [])] });
        RefusedAndChangesNothing(engine, file, 0, "1048576 numbers");
    }

    /// <summary>Values in blocks never lie the other way round, so that is not tried where a state does not fit for another reason.</summary>
    [Fact]
    public void ValuesInBlocksAreNotTurned()
    {
        using Engine engine = Mini.Open(p => (p.FlashAttention, p.TypeK, p.TypeV, p.SeqMax) = (null, GGMLType.GGML_TYPE_Q8_0, GGMLType.GGML_TYPE_Q8_0, 2), context: 512);
        engine.Read(Mini.Tokens(engine, 400), 0);
        byte[] file = Mini.Save(engine, 0);
        ContextLayout.Of(engine.Context).IsTransposed = null;
        Assert.Contains("did not take", Assert.Throws<InvalidOperationException>(() => Mini.Load(engine, file, 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void StateWithoutCellsTeachesNothing()
    {
        using Engine engine = Mini.Open(p => (p.FlashAttention, p.SeqMax) = (false, 2));
        ContextLayout layout = ContextLayout.Of(engine.Context);
        byte[] empty = Mini.Save(engine, 1);
        layout.IsTransposed = null;
        Mini.Load(engine, empty, 1);
        Assert.Null(layout.IsTransposed);
    }

    private static void RefusedAndChangesNothing(Engine engine, byte[] file, int? sequence, string reason)
    {
        byte[] before = Mini.State(engine);
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => Mini.Load(engine, file, sequence)).Message, StringComparison.Ordinal);
        Assert.Equal(before, Mini.State(engine));
    }

    private static byte[] Compress(Engine engine, byte[] state)
    {
        using var file = new MemoryStream();
        LlamaStateFile.Compress(LlamaState.Read(new MemoryStream(state)), file, Mini.Exact with { Identity = ModelFacts.Of(engine.Context).Identity });
        return file.ToArray();
    }
}
