using Kvant.Models.Tests.Decoding;
using Kvant.OnnxRuntime;
using Kvant.OnnxRuntime.Cutting;
using Kvant.OnnxRuntime.Graphs;
using Kvant.OnnxRuntime.Layers;
using Kvant.Tests.Formats;
using OnnxExport;

namespace Kvant.Fuzz;

/// <summary>Graphs in ONNX's format: read, written and read again, and cut at their attention. What is written means the same when it is read.</summary>
internal static class OnnxTarget
{
    internal static FuzzTarget Target { get; } = new("onnx", Corpus, Read, static e => e is InvalidDataException or NotSupportedException)
    {
        AllocatedAtMost = 4 << 20,
    };

    private static byte[][] Corpus()
    {
        using TemporaryFolder folder = new();
        string gguf = folder.File("tiny.gguf"), path = folder.File("tiny.onnx");
        TinyModels.Create("llama-tied", TinyModels.All["llama-tied"], width: 16, inner: 8).Save(gguf);
        ExportOptions[] kinds = [new(), new() { HalfPast = true, ShortNumbers = true }, new() { GroupQuery = true, DataFile = true }, new() { GroupQuery = true, Packed = true, Half = true }];
        return [.. kinds.Select(options =>
        {
            Exporter.Export(gguf, path, options);
            return File.ReadAllBytes(path);
        })];
    }

    private static void Read(FuzzInput input)
    {
        OnnxModel model = OnnxModel.Read(input.Bytes, "model.onnx");
        _ = model.OutsideFiles.Count();
        byte[] written = model.Write();
        if (!OnnxModel.Read(written, "model.onnx").Write().AsSpan().SequenceEqual(written))
            throw new InvalidOperationException("Another model was written.");
        GiveLayerByLayer(model);
        OnnxModel cut = CutGraph.Of(model, CutFinder.Find(model));
        if (cut.Outputs.Any(output => output.Name != "logits"))
            throw new InvalidOperationException("A cut model still gives its past.");
        _ = OnnxModel.Read(cut.Write());
    }

    private static void GiveLayerByLayer(OnnxModel model)
    {
        OnnxModel changed;
        try
        {
            changed = LayerGraph.Of(model, PastLayout.Of(model.Inputs, model.Outputs), shared: false);
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException)
        {
            return; // it may be cut for all that
        }

        if (changed.Outputs.Any(output => output.Name != "logits"))
            throw new InvalidOperationException("A model that gets its past layer by layer still gives it.");
        _ = OnnxModel.Read(changed.Write());
    }
}
