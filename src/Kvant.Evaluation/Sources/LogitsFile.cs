using System.Runtime.InteropServices;
using Kvant.Evaluation.LanguageModels;
using Kvant.Formats;

namespace Kvant.Evaluation.Sources;

/// <summary>What an engine said of a text: the logits behind each of its tokens (docs/formats/logits.md). They take the place of the exact cache's in a
/// <see cref="ModelExperiment"/>.</summary>
internal sealed class LogitsFile : IDisposable
{
    private static readonly string[] s_names = ["engine", "cache"];

    private readonly SafetensorsFile _file;
    private readonly TensorInfo _tokens;
    private readonly TensorInfo _logits;

    private LogitsFile(SafetensorsFile file)
    {
        _file = file;
        (_tokens, _logits) = (file.Tensor("tokens"), file.Tensor("logits"));
        if (!file.Metadata.TryGetValue("kvant.logits", out string? version) || version != "1")
            throw new InvalidDataException($"{file.Path}: the metadata 'kvant.logits' is {(version is null ? "missing" : $"'{version}'")}; '1' is wanted (docs/formats/logits.md)");
        if (_tokens.ElementType != ElementType.I32 || _tokens.Shape.Count != 2 || _tokens.Shape.Any(static d => d is < 1 or > int.MaxValue))
            throw new InvalidDataException($"{file.Path}: found {_tokens}; wanted is I32 [chunks, context]");
        if (!_logits.ElementType.IsFloat() || _logits.Shape.Count != 3 || !_logits.Shape.Take(2).SequenceEqual(_tokens.Shape) || _logits.Shape[2] is < 1 or > int.MaxValue)
            throw new InvalidDataException($"{file.Path}: found {_logits}; wanted is F32, F16 or BF16 [{Chunks}, {Context}, vocabulary], as many chunks and tokens as {_tokens}");
        Name = string.Join(", ", s_names.Where(file.Metadata.ContainsKey).Select(k => file.Metadata[k])) is { Length: > 0 } said ? said : Path.GetFileName(file.Path);
    }

    /// <summary>The engine and its cache in the words of whoever wrote the file; else the file's name.</summary>
    public string Name { get; }

    /// <summary>Pieces of the text, each read from an empty cache.</summary>
    public int Chunks => (int)_tokens.Shape[0];

    /// <summary>Tokens of a piece.</summary>
    public int Context => (int)_tokens.Shape[1];

    /// <summary>Opens a file and checks its shape; numbers are checked when they are read.</summary>
    /// <exception cref="InvalidDataException">It is no file of logits; the message says why.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static LogitsFile Open(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        try
        {
            return new LogitsFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Refuses a file of another model or text.</summary>
    /// <param name="chunks">What will be read.</param>
    /// <param name="vocabulary">Tokens that the model knows.</param>
    /// <exception cref="InvalidDataException">The file is of other tokens; the message names the first.</exception>
    public void RequireTokens(IReadOnlyList<TextChunk> chunks, int vocabulary)
    {
        if (_logits.Shape[2] != vocabulary)
            throw new InvalidDataException($"{_file.Path}: {_logits.Shape[2]} logits a token found; the model knows {vocabulary} tokens");
        for (int chunk = 0; chunk < chunks.Count; chunk++)
        {
            ReadOnlySpan<int> found = MemoryMarshal.Cast<byte, int>(_file.Bytes(_tokens, (long)chunk * Context * sizeof(int), Context * sizeof(int))), wanted = chunks[chunk].Inputs.Span;
            int same = found.CommonPrefixLength(wanted);
            if (same < Context)
                throw new InvalidDataException($"{_file.Path}: token {same} of chunk {chunk} is {found[same]}; the text has {wanted[same]} there. The engine must read what 'kvant evaluate' reads: {Chunks} pieces of {Context} tokens");
        }
    }

    /// <summary>Reads the logits behind some tokens of a chunk.</summary>
    /// <param name="chunk">Which.</param>
    /// <param name="first">The first of the tokens.</param>
    /// <param name="logits">Receives tokens x vocabulary.</param>
    /// <exception cref="InvalidDataException">A logit is no number.</exception>
    public void Read(int chunk, int first, Span<float> logits)
    {
        long at = (((long)chunk * Context) + first) * _logits.Shape[2];
        _file.ReadSingles(_logits, at, logits);
        foreach (float logit in logits)
        {
            if (!float.IsFinite(logit))
                throw new InvalidDataException($"{_file.Path}: a logit of chunk {chunk}, token {first} or one of the next, is {logit}");
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();
}
