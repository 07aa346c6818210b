using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.Caching;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;
using Kvant.Evaluation.Tests.Support;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;
using Kvant.Tests.Formats;

namespace Kvant.Evaluation.Tests.Sources;

public sealed class LogitsFileTests : IDisposable
{
    private const int Context = 96;
    private const int Chunks = 2;

    private readonly TemporaryFolder _folder = new();
    private readonly LanguageModel _model = ShippedModels.Open();

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    // The model's own logits with an fp32 cache: then nothing changes by their lying in a file.
    [Fact]
    public void OwnLogitsGiveTheSameReport()
    {
        ModelReport own = Experiment().Run(cancellation: TestContext.Current.CancellationToken);
        using LogitsFile file = LogitsFile.Open(Write());
        Assert.Equal((Chunks, Context, "an engine, f32"), (file.Chunks, file.Context, file.Name));
        ModelReport report = (Experiment() with { Against = file }).Run(cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(own.Results.Select(r => r.Loss), report.Results.Select(r => r.Loss));
        Assert.Equal((own.ExactPerplexity, "an engine, f32", null), (report.ExactPerplexity, report.Against, own.Against));
        Assert.Equal(0, report.Results[0].Loss.DivergenceMaximum.Value);
        Assert.True(report.Results[1].Loss.DivergenceMedian.Value > 0);
    }

    // Logits that are off by a known amount: one of them raised by x moves the divergence to what the softmax says.
    [Fact]
    public void OtherLogitsAreWhatTheRowsAreComparedWith()
    {
        using LogitsFile file = LogitsFile.Open(Write(change: row => row[7] += 8));
        ModelReport report = (Experiment() with { Against = file }).Run(cancellation: TestContext.Current.CancellationToken);
        float[] logits = Logits();
        SoftmaxRow other = new(_model.VocabularySize), own = new(_model.VocabularySize);
        double[] wanted = new double[logits.Length / _model.VocabularySize];
        for (int i = 0; i < wanted.Length; i++)
        {
            Span<float> row = logits.AsSpan(i * _model.VocabularySize, _model.VocabularySize);
            own.Set(row, 1);
            row[7] += 8;
            other.Set(row, 1);
            wanted[i] = other.DivergenceOf(own);
        }

        Assert.Equal(wanted.Average(), report.Results[0].Loss.DivergenceMean.Value, wanted.Average() * 1e-9);
        Assert.True(wanted.Average() > 1e-5);
    }

    [Fact]
    public void HalfPrecisionWillDo()
    {
        using LogitsFile file = LogitsFile.Open(Write(ElementType.F16));
        Assert.InRange((Experiment() with { Against = file }).Run(cancellation: TestContext.Current.CancellationToken).Results[0].Loss.DivergenceMean.Value, 1e-9, 1e-5);
    }

    [Fact]
    public void FileOfOtherTokensOrAnotherModelIsRefused()
    {
        Refuse<InvalidDataException>("token 5 of chunk 1 is 3;", Write(tokens: t => t[Context + 5] = 3));
        Refuse<InvalidDataException>($"{_model.VocabularySize - 1} logits a token found", Write(vocabulary: _model.VocabularySize - 1));
        Refuse<ArgumentException>("2 pieces of 96 tokens; 3 of 96", Write(), e => e with { Chunks = 3 });
        Refuse<ArgumentException>("2 of 64 are to be read", Write(), e => e with { Context = 64 });
        Refuse<InvalidDataException>("chunk 0, token 0 or one of the next, is NaN", Write(change: row => row[3] = float.NaN));
    }

    [Fact]
    public void FileThatIsNoneIsRefused()
    {
        Broken("'tokens' is missing", [new("logits", ElementType.F32, 1, 2, 3)]);
        Broken("'logits' is missing", [new("tokens", ElementType.I32, 1, 2)]);
        Broken("wanted is I32 [chunks, context]", [new("tokens", ElementType.F32, 1, 2), new("logits", ElementType.F32, 1, 2, 3)]);
        Broken("wanted is F32, F16 or BF16 [1, 2, vocabulary]", [new("tokens", ElementType.I32, 1, 2), new("logits", ElementType.F32, 2, 1, 3)]);
        Broken("'kvant.logits' is '2'; '1' is wanted", [new("tokens", ElementType.I32, 1, 2), new("logits", ElementType.F32, 1, 2, 3)], "2");

        void Broken(string words, TensorDeclaration[] tensors, string version = "1")
        {
            string path = _folder.File("broken");
            using (SafetensorsWriter writer = SafetensorsWriter.Create(path, tensors, new Dictionary<string, string> { ["kvant.logits"] = version }))
            {
                foreach (TensorDeclaration tensor in tensors) writer.Write(new byte[tensor.ByteLength()]);
                writer.Commit();
            }

            Assert.Contains(words, Assert.Throws<InvalidDataException>(() => LogitsFile.Open(path)).Message, StringComparison.Ordinal);
        }
    }

    private void Refuse<TException>(string words, string path, Func<ModelExperiment, ModelExperiment>? change = null)
        where TException : Exception
    {
        using LogitsFile file = LogitsFile.Open(path);
        ModelExperiment experiment = Experiment() with { Against = file };
        Assert.Contains(words, Assert.Throws<TException>(() => (change?.Invoke(experiment) ?? experiment).Run(cancellation: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
    }

    private ModelExperiment Experiment() => new()
    {
        Model = _model,
        Text = ShippedModels.Text[..4000],
        Pairs = [LayerSpecs.Parse("fp32"), LayerSpecs.Parse("turboquant:bits=3")],
        Context = Context,
        Chunks = Chunks,
    };

    private TextChunk[] Pieces()
    {
        Tokenizer tokenizer = Tokenizer.Read(_model.File);
        return TextChunk.Cut(tokenizer.Encode(ShippedModels.Text[..4000], addBegin: false), tokenizer.AddsBegin ? tokenizer.Begin : null, Context, Chunks);
    }

    private float[] Logits()
    {
        float[] logits = new float[Chunks * Context * _model.VocabularySize];
        LayerPolicy policy = Experiment().ExactPolicy;
        using Reader reader = new(_model, Experiment().CacheOptions(policy), TeacherForcing.BatchFor(_model), threads: 1, tokenByToken: true, Codecs.Arithmetic.Exact);
        foreach ((TextChunk piece, int i) in Pieces().Select((p, i) => (p, i)))
        {
            reader.Restart();
            reader.Decoder.ForwardEach(piece.Inputs.Span, logits.AsMemory(i * Context * _model.VocabularySize, Context * _model.VocabularySize));
        }

        return logits;
    }

    private delegate void RowChange(Span<float> row);

    private string Write(ElementType type = ElementType.F32, RowChange? change = null, Action<int[]>? tokens = null, int? vocabulary = null)
    {
        int size = _model.VocabularySize;
        float[] logits = Logits();
        int[] read = [.. Pieces().SelectMany(p => p.Inputs.ToArray())];
        tokens?.Invoke(read);
        for (int i = 0; change is not null && i < logits.Length; i += size) change(logits.AsSpan(i, size));
        string path = _folder.File("logits");
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            path, [new("tokens", ElementType.I32, Chunks, Context), new("logits", type, Chunks, Context, vocabulary ?? size)],
            new Dictionary<string, string> { ["kvant.logits"] = "1", ["engine"] = "an engine", ["cache"] = "f32" });
        writer.Write(MemoryMarshal.AsBytes(read.AsSpan()));
        Half[] halves = new Half[logits.Length];
        TensorPrimitives.ConvertToHalf(logits, halves);
        ReadOnlySpan<byte> bytes = type == ElementType.F32 ? MemoryMarshal.AsBytes(logits.AsSpan()) : MemoryMarshal.AsBytes(halves.AsSpan());
        writer.Write(bytes[..(bytes.Length / size * (vocabulary ?? size))]);
        writer.Commit();
        return path;
    }
}
