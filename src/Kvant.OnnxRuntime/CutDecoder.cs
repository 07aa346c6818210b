using Kvant.Caching;
using Kvant.OnnxRuntime.Cutting;
using Kvant.OnnxRuntime.Graphs;
using Kvant.OnnxRuntime.Native;
using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime;

/// <summary>
/// An exported decoder whose graph is cut at its attention: ONNX Runtime computes all else, and Kvant attends to the codes of its caches. No past is in floats, at any time.
/// </summary>
/// <remarks>
/// <para>What is understood: attention as GroupQueryAttention (as the builder of ONNX Runtime GenAI exports it), and as products and a softmax over a Concat of past and new rows (as Optimum does). All else is
/// refused, with a reason. The file stays as it is: the cut graph is made in memory and reads its weights from there, so leave it in its place.</para>
/// <para>Tokens that come together see each other exactly and what was cached before as it decodes; a token that comes alone sees everything as it decodes, itself included.</para>
/// </remarks>
public sealed class CutDecoder : OnnxDecoder
{
    private readonly OperationSession _session;
    private readonly CutWork _work;
    private readonly CutAttention _attention;
    private readonly StepInputs _inputs;

    private CutDecoder(OperationSession session, CutWork work, CutShapes shapes, OnnxDecoderOptions options, string path)
        : base(shapes.Geometry, shapes.Inputs.VocabularySize, options, path)
    {
        (_session, _work, _inputs) = (session, work, shapes.Inputs);
        _attention = new CutAttention(shapes.Cuts, shapes.Geometry, Team);
        work.Attend = _attention.Attend;
    }

    /// <summary>Opens a model and cuts it.</summary>
    /// <param name="path">The model's file.</param>
    /// <param name="options">Threads, chunks and the session; null for the defaults.</param>
    /// <param name="check">Whether the cut model is compared with the uncut one on a few tokens, which opens that one, too, for so long.</param>
    /// <exception cref="NotSupportedException">The graph has something that is not understood; the message says what and where.</exception>
    /// <exception cref="InvalidDataException">It is no model, it has no past, or inputs that are not known; or the cut model answers otherwise than the uncut one.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="OnnxRuntimeException">ONNX Runtime does not take the model.</exception>
    public static CutDecoder Open(string path, OnnxDecoderOptions? options = null, bool check = true)
    {
        options ??= new();
        OnnxModel model = OnnxModel.Open(path);
        IReadOnlyList<AttentionCut> cuts = CutFinder.Find(model);
        var work = new CutWork();
        var operation = new GraphOperation(CutGraph.Attention, inputs: 5, outputs: 1, isHalf: false, (layer, call) => work.Attend(layer, call));
        var session = new OperationSession(CutGraph.Of(model, cuts), Path.GetDirectoryName(Path.GetFullPath(path)), options.Session, operation);
        CutDecoder? decoder = null;
        try
        {
            decoder = new CutDecoder(session, work, CutShapes.Of(model, cuts, session, work), options, path);
            if (check)
                CutCheck.Run(decoder, path);
            return decoder;
        }
        catch
        {
            decoder?.Dispose();
            if (decoder is null)
                session.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _inputs.Dispose();
        _session.Dispose();
        _attention.Dispose();
        base.Dispose(disposing);
    }

    // Which heads ask together matters here.
    private protected override bool Takes(CacheGeometry geometry) => geometry == Geometry;

    private protected override void Run(ReadOnlySpan<KvCache> caches, ReadOnlySpan<int> tokens, Span<float> logits)
    {
        int[] lengths = new int[caches.Length];
        for (int i = 0; i < lengths.Length; i++)
            lengths[i] = caches[i].Length;
        _attention.Begin(caches);
        using OrtIoBinding binding = _session.Session.CreateIoBinding();
        _inputs.Bind(binding, tokens, lengths, lengths.Max(), left: true);
        binding.BindOutputToDevice("logits", OrtMemoryInfo.DefaultInstance);
        _session.Run(binding);
        StepLogits.Copy(binding, logits);
    }
}
