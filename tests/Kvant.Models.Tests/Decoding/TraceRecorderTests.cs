using System.Numerics.Tensors;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Decoding;

public sealed class TraceRecorderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly LanguageModel _model = LanguageModel.Open(Goldens.Model("mini.gguf"));

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    // The shipped trace was recorded where the model was trained, by another program.
    [Fact]
    public void ShippedTraceIsRecordedAgain()
    {
        string text = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "mini-holdout.txt"));
        Tokenizer tokenizer = Tokenizer.Read(_model.File);
        int[] tokens = [tokenizer.Begin!.Value, .. tokenizer.Encode(text).AsSpan(0, 511)];
        TraceRecorder.Record(_model, tokens, _folder.File("trace"), ElementType.F32, new DecoderOptions { Threads = 2 });
        using Trace wanted = Trace.Open(Path.Combine(AppContext.BaseDirectory, "mini-trace.safetensors")), found = Trace.Open(_folder.File("trace"));
        Assert.Equal(wanted.Geometry, found.Geometry);
        Assert.Equal((wanted.Tokens, wanted.QueryHeads, wanted.SoftmaxScale), (found.Tokens, found.QueryHeads, found.SoftmaxScale));
        float[] a = new float[wanted.Tokens * wanted.KeyDimension], b = new float[a.Length];
        for (int layer = 0; layer < wanted.Layers; layer++)
        {
            for (int head = 0; head < wanted.QueryHeads; head++)
            {
                wanted.ReadQueries(layer, head, a);
                found.ReadQueries(layer, head, b);
                AssertNear(a, b);
                if (head >= wanted.KvHeads) continue;
                wanted.ReadKeys(layer, head, a);
                found.ReadKeys(layer, head, b);
                AssertNear(a, b);
                wanted.ReadValues(layer, head, a);
                found.ReadValues(layer, head, b);
                AssertNear(a, b);
            }
        }
    }

    [Fact]
    public void CanceledRecordingLeavesNoFile()
    {
        Assert.Throws<OperationCanceledException>(() => TraceRecorder.Record(_model, [1, 2], _folder.File("trace"), cancellation: new CancellationToken(canceled: true)));
        Assert.Throws<ArgumentException>(() => TraceRecorder.Record(_model, [], _folder.File("trace")));
        Assert.Throws<ArgumentOutOfRangeException>(() => TraceRecorder.Record(_model, [1, _model.VocabularySize], _folder.File("trace")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(_folder.File("trace"))!));
    }

    private static void AssertNear(float[] wanted, float[] found) =>
        Assert.InRange(TensorPrimitives.Distance<float>(wanted, found) / TensorPrimitives.Norm<float>(wanted), 0, Tolerances.Trace);
}
