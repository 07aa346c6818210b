using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Models.Decoding;

/// <summary>Runs tokens through a model without compression and writes its queries, keys and values as a <see cref="Trace"/>.</summary>
public static class TraceRecorder
{
    /// <summary>Records. The file appears whole or not at all.</summary>
    /// <param name="model">An open model.</param>
    /// <param name="tokens">At least one.</param>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="elementType">F16 or F32.</param>
    /// <param name="options">Threads and batch; null for one thread.</param>
    /// <param name="progress">Is told which share is done, up to 1.</param>
    /// <param name="cancellation">Ends the recording; no file is left.</param>
    /// <exception cref="ArgumentException">There are no tokens, a number does not fit F16, or the layers of the model differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token is not in the vocabulary.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Record(LanguageModel model, ReadOnlySpan<int> tokens, string path, ElementType elementType = ElementType.F16, DecoderOptions? options = null, Action<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (tokens.IsEmpty) throw new ArgumentException("no token found, at least one wanted", nameof(tokens));
        // Before the work, not behind it.
        if (!model.CacheGeometry.IsUniform) throw new ArgumentException("some layers of the model have a sliding window; those of a trace are alike", nameof(model));
        options ??= new DecoderOptions();
        RecordingAttention recording = Run(model, tokens, options, progress, cancellation);
        CacheGeometry geometry = model.CacheGeometry;
        using TraceWriter writer = TraceWriter.Create(path, geometry, tokens.Length, geometry.QueryHeads, elementType, Metadata(model));
        int dimension = model.Config.HeadDimension;
        float[] rows = new float[tokens.Length * dimension];
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            cancellation.ThrowIfCancellationRequested();
            for (int head = 0; head < geometry.KvHeads; head++) writer.WriteKeys(layer, head, Gather(recording.Keys(layer), head, geometry.KvHeads, dimension, rows));
            for (int head = 0; head < geometry.KvHeads; head++) writer.WriteValues(layer, head, Gather(recording.Values(layer), head, geometry.KvHeads, dimension, rows));
            for (int head = 0; head < geometry.QueryHeads; head++) writer.WriteQueries(layer, head, Gather(recording.Queries(layer), head, geometry.QueryHeads, dimension, rows));
        }
        writer.Commit();
    }

    private static RecordingAttention Run(LanguageModel model, ReadOnlySpan<int> tokens, DecoderOptions options, Action<double>? progress, CancellationToken cancellation)
    {
        CodecSpec exact = CodecSpec.Parse("fp32");
        using KvCache cache = new(new KvCacheOptions { Geometry = model.CacheGeometry, Policy = LayerPolicy.Uniform(model.Config.Layers, exact, exact) });
        using WorkerTeam team = new(options.Threads);
        using CompressedAttention attention = new(cache, team: team);
        RecordingAttention recording = new(attention, model.Config.Layers);
        using Decoder decoder = new(model, recording, options, team);
        for (int done = 0; done < tokens.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            ReadOnlySpan<int> batch = tokens.Slice(done, Math.Min(options.Batch, tokens.Length - done));
            decoder.Read(batch);
            done += batch.Length;
            progress?.Invoke((double)done / tokens.Length);
        }
        return recording;
    }

    private static Dictionary<string, string> Metadata(LanguageModel model)
    {
        Dictionary<string, string> metadata = new() { ["architecture"] = model.Config.Architecture, ["rope"] = "applied", [Trace.WriterKey] = "kvant trace", [Trace.ModelHashKey] = CachePolicyFile.HashOf([.. model.File.Paths]) };
        if (model.File.TryGetValue("general.name", out Gguf.GgufValue? name)) metadata["model"] = name.AsText();
        return metadata;
    }

    // The rows of one head, out of those of all.
    private static float[] Gather(ReadOnlySpan<float> all, int head, int heads, int dimension, float[] rows)
    {
        for (int to = 0, from = head * dimension; to < rows.Length; to += dimension, from += heads * dimension)
            all.Slice(from, dimension).CopyTo(rows.AsSpan(to));
        return rows;
    }
}
