using Kvant.Caching;
using Kvant.OnnxRuntime.Graphs;
using Kvant.OnnxRuntime.Layers;
using Kvant.OnnxRuntime.Native;
using Kvant.Tests.Formats;
using Microsoft.ML.OnnxRuntime;
using OnnxBars;

namespace Kvant.OnnxRuntime.Tests;

/// <summary>What is particular to a past that is decoded layer by layer; that it answers as the plain session does is among <see cref="CompressedPastTests"/>.</summary>
public sealed class LayerByLayerTests
{
    /// <summary>What a layer was given is the runtime's again before the layer after the next is computed: of all layers, most get the memory of another. Where past and present are one buffer, all get the same.</summary>
    [Theory]
    [InlineData("plain", 4)]
    [InlineData("plain-half-past", 4)]
    [InlineData("group", 2)]
    [InlineData("group-half", 2)]
    public void FloatsOfALayerMakeRoomForThoseOfAnother(string kind, int places)
    {
        const int Past = 900;
        bool shared = Mini.Kinds[kind].GroupQuery;
        OnnxModel model = OnnxModel.Open(Mini.Export(kind));
        PastLayout layout = PastLayout.Of(model.Inputs, model.Outputs);
        List<(int Layer, nint Data)> given = [];
        using var session = new OperationSession(
            LayerGraph.Of(model, layout, shared),
            Path.GetDirectoryName(Mini.Export(kind)),
            Mini.Single.Session,
            new GraphOperation(LayerGraph.Join, 1, 1, layout.IsHalf, (place, call) => Give(place, call, Past + 1)),
            new GraphOperation(LayerGraph.Give, 2, 1, layout.IsHalf, (place, call) => Give(place, call, Past + 1), writesInput: true),
            new GraphOperation(LayerGraph.Take, 3, 1, layout.IsHalf, (_, call) => call.OutputData(0, call.Shape(0))));
        using var inputs = new StepInputs(session.Session);
        using var buffer = new PastBuffer(layout.IsHalf, layout.KvHeads, layout.KeyDimension);
        using var other = new PastBuffer(layout.IsHalf, layout.KvHeads, layout.ValueDimension);
        buffer.Resize(1, Past + 1);
        other.Resize(1, Past + 1);
        using OrtValue keys = buffer.Value(1), values = other.Value(1);
        for (int run = 0; run < 2; run++)
        {
            given.Clear();
            using OrtIoBinding binding = session.Session.CreateIoBinding();
            inputs.Bind(binding, [1], [Past], Past, left: !shared);
            for (int place = 0; shared && place < layout.Past.Count; place++)
            {
                binding.BindInput(layout.Past[place], place % 2 == 0 ? keys : values);
                binding.BindOutput(layout.Present[place], place % 2 == 0 ? keys : values);
            }

            binding.BindOutputToDevice("logits", OrtMemoryInfo.DefaultInstance);
            session.Run(binding);
        }

        Assert.Equal(2 * layout.Layers, given.Count);
        // In the order of the layers.
        Assert.Equal(given.Select(one => one.Layer).Order(), given.Select(one => one.Layer));
        Assert.InRange(given.Select(one => one.Data).Distinct().Count(), 1, places);

        void Give(int place, GraphCall call, int tokens)
        {
            nint data = call.OutputData(0, 1, layout.KvHeads, tokens, place % 2 == 0 ? layout.KeyDimension : layout.ValueDimension);
            new PastRows(data, layout.IsHalf, layout.KvHeads, tokens, layout.KeyDimension).Clear(0, 0, 0, layout.KvHeads * tokens);
            given.Add((place / 2, data));
        }
    }

    /// <summary>Exporters count positions by the shape of the past, which a graph still gets, of memory that nobody reads.</summary>
    [Fact]
    public void GraphThatCountsByTheShapeOfItsPastIsTaken()
    {
        using var folder = new TemporaryFolder();
        string path = Changed(folder, "plain", (model, node) => node.Is("Shape") && node.Input(0) == "attention_mask"
            ?
            [
                Node("Shape", ["past_key_values.1.value"], "past.shape"),
                Node("Shape", ["input_ids"], "new.shape"),
                Node("Slice", ["past.shape", "from", "to"], "past.length"),
                Node("Slice", ["new.shape", "one", "from"], "new.length"),
                Node("Add", ["past.length", "new.length"], "both.length"),
                Node("Concat", ["zero", "both.length"], node.Output(0)) with { Attributes = [OnnxAttribute.Of("axis", 0L)] },
            ]
            : [node]);
        using CompressedPast decoder = CompressedPast.Open(path, Mini.Single, layerByLayer: true);
        Assert.True(decoder.IsLayerByLayer);
        using KvCache cache = Mini.Exact(decoder);
        using PlainSession plain = new(path, Mini.SingleSession), other = new(Mini.Export("plain"), Mini.SingleSession);
        Assert.InRange(Mini.Compare(decoder, cache, plain), 0, 1e-5f);
        using KvCache again = Mini.Exact(decoder);
        Assert.InRange(Mini.Compare(decoder, again, other), 0, 1e-5f);
        Assert.InRange(Mini.CompareBatch(decoder, path), 0, 1e-4f);
    }

    /// <summary>What cannot be given layer by layer is opened as it is, unless that was asked for.</summary>
    [Theory]
    [InlineData("plain", "Concat", "one operation is wanted")]
    [InlineData("plain", "Identity", "which does not put it before the new rows")]
    [InlineData("group", "GroupQueryAttention", "does not give what it attends to and 'present.0.key'")]
    public void GraphsThatUseTheirPastOtherwiseAreRefusedWithAReason(string kind, string change, string reason)
    {
        using var folder = new TemporaryFolder();
        string path = Changed(folder, kind, (model, node) => change switch
        {
            // Somebody else looks at the past.
            "Concat" when node.Is("Concat") && node.Input(0) == "past_key_values.0.key" => [node, Node("Identity", [node.Input(0)], "another"), Node("Identity", ["another"], "more")],
            // Somebody is between.
            "Identity" when node.Is("Concat") && node.Input(0) == "past_key_values.0.key" => [Node("Identity", [node.Input(0)], "between"), node with { Inputs = ["between", node.Input(1)] }],
            // What is present comes from elsewhere.
            "GroupQueryAttention" when node.Operation == change && node.Input(3) == "past_key_values.0.key" =>
                [node with { Outputs = [node.Output(0), "inner", node.Output(2)] }, Node("Identity", ["inner"], "present.0.key")],
            _ => [node],
        });
        var refused = Assert.Throws<NotSupportedException>(() => CompressedPast.Open(path, Mini.Single, layerByLayer: true));
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
        Assert.Contains("layerByLayer: false", refused.Message, StringComparison.Ordinal);
        using CompressedPast decoder = CompressedPast.Open(path, Mini.Single);
        Assert.False(decoder.IsLayerByLayer);
        using KvCache cache = Mini.Exact(decoder);
        using var plain = new PlainSession(path, Mini.SingleSession);
        Assert.InRange(Mini.Compare(decoder, cache, plain), 0, 1e-5f);
    }

    [Fact]
    public void BranchesAreRefused() => Assert.Contains(
        "functions, branches or loops",
        Assert.Throws<NotSupportedException>(() => CompressedPast.Open(Mini.Export(Mini.Merged), Mini.Single, layerByLayer: true)).Message,
        StringComparison.Ordinal);

    /// <summary>Memory behind a tensor is nobody's: what a graph says of its rows is compared with what comes.</summary>
    [Fact]
    public void RowsThatAreOnlyClaimedAreNotRead()
    {
        using var folder = new TemporaryFolder();
        string path = Changed(folder, "plain", (model, node) => node.Is("Concat") && node.Input(0) == "past_key_values.0.value"
            ? [Node("Slice", [node.Input(1), "zero", "one", "two"], "half"), node with { Inputs = [node.Input(0), "half"] }]
            : [node]);
        using CompressedPast decoder = CompressedPast.Open(path, Mini.Single, layerByLayer: true);
        using KvCache cache = Mini.Exact(decoder);
        var refused = Assert.Throws<InvalidOperationException>(() => decoder.Forward(cache, Mini.Tokens.AsSpan(0, 30), new float[decoder.VocabularySize]));
        Assert.Contains("The rows behind 'past_key_values.0.value' are [1, 2, 1,", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, cache.Length);
    }

    private static OnnxNode Node(string operation, string[] inputs, string output) => new() { Operation = operation, Name = output + ".node", Inputs = inputs, Outputs = [output] };

    private static string Changed(TemporaryFolder folder, string kind, Func<OnnxModel, OnnxNode, OnnxNode[]> change)
    {
        OnnxModel model = OnnxModel.Read(File.ReadAllBytes(Mini.Export(kind)));
        OnnxTensor[] more = [Number("zero", 0), Number("one", 1), Number("two", 2), Number("from", 2), Number("to", 3)];
        string path = folder.File("changed.onnx");
        File.WriteAllBytes(path, model.With([.. model.Nodes.SelectMany(node => change(model, node))], model.Inputs, model.Outputs, more).Write());
        return path;

        static OnnxTensor Number(string name, long number) => OnnxTensor.Of(name, [number], 1);
    }
}
