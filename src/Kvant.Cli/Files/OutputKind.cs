using System.Text;
using System.Text.Json;
using Kvant.Evaluation.Reports;
using Kvant.Evaluation.Tuning;
using Kvant.Formats;

namespace Kvant.Cli.Files;

/// <summary>A kind of file that the tool writes, and how an earlier one of the kind is known by its content: names say nothing.</summary>
/// <param name="words">The kind in words, with an article.</param>
/// <param name="isOurs">Whether a regular file is one that the tool wrote; may throw what a reader throws.</param>
internal sealed class OutputKind(string words, Func<string, bool> isOurs)
{
    private const int MostLineBytes = 1 << 20;

    /// <summary>A page of <c>kvant evaluate</c>.</summary>
    public static OutputKind Report { get; } = new("a report of kvant", path => Head(path, 1024).Contains(ReportPage.Marker, StringComparison.Ordinal));

    /// <summary>Lines of <c>kvant evaluate</c>.</summary>
    public static OutputKind Results { get; } = new("a file of results of kvant", IsResults);

    /// <summary>A policy of <c>kvant tune</c>; one that was written by hand lacks the note.</summary>
    public static OutputKind Policy { get; } = new("a policy of 'kvant tune'", path => CachePolicyFile.Load(path).Notes.ContainsKey("body_bytes_per_token"))
    {
        SideSuffix = ".measured",
        SideKind = new("measurements of 'kvant tune'", TuneMemory.IsMemory) { TakesEmpty = false },
    };

    /// <summary>A trace of <c>kvant trace</c> or <c>kvant decompress</c>; a recording of another program says that it is by no verb.</summary>
    public static OutputKind Trace { get; } = new("a trace that kvant wrote", path =>
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.Metadata.ContainsKey(Formats.Trace.WriterKey) && file.Metadata.ContainsKey(Formats.Trace.VersionKey);
    });

    /// <summary>A file of <c>kvant compress</c>; a cache that a program froze has no trace as its source.</summary>
    public static OutputKind Cache { get; } = new("a compressed cache of kvant", path =>
    {
        using CacheFile file = CacheFile.Open(path);
        return file.Source.ContainsKey(Formats.Trace.VersionKey);
    });

    /// <summary>What <c>kvant slot</c> wrote, compressed; a state that it restored looks like any of llama.cpp's, so none is taken for ours.</summary>
    public static OutputKind Slot { get; } = new("a compressed state of 'kvant slot'", path =>
    {
        using FileStream stream = File.OpenRead(path);
        byte[] start = new byte[8];
        return LlamaCpp.LlamaStateFile.IsCompressed(start.AsSpan(0, stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)));
    });

    /// <summary>Decoded vectors. The format has no room to say who wrote a file, so none is taken for ours.</summary>
    public static OutputKind Vectors { get; } = new("known to be decoded vectors of kvant", _ => false);

    /// <summary>The kind in words, as in "a report of kvant".</summary>
    public string Words => words;

    /// <summary>What is added to an output's name for a file that the command keeps beside it; null where it keeps none.</summary>
    public string? SideSuffix { get; private init; }

    /// <summary>The kind of the file beside.</summary>
    public OutputKind? SideKind { get; private init; }

    // An empty file holds nothing that could be lost; the file beside is removed in the end, though, and that one was named by nobody.
    private bool TakesEmpty { get; init; } = true;

    /// <summary>Whether a regular file may be replaced without asking: it is empty, or of this kind and not protected against writing.</summary>
    public bool Allows(string path)
    {
        var info = new FileInfo(path);
        if (info.IsReadOnly)
            return false;
        try
        {
            return info.Length == 0 ? TakesEmpty : isOurs(path);
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException or JsonException or ArgumentException or FormatException)
        {
            return false;
        }
    }

    private static bool IsResults(string path)
    {
        string text = Head(path, MostLineBytes);
        int end = text.IndexOf('\n', StringComparison.Ordinal);
        if (end < 0)
            return false;
        using var line = JsonDocument.Parse(text[..end]);
        return line.RootElement.ValueKind == JsonValueKind.Object
            && Array.TrueForAll(["version", "machine", "model", "text", "results"], name => line.RootElement.TryGetProperty(name, out _));
    }

    private static string Head(string path, int bytes)
    {
        using FileStream stream = File.OpenRead(path);
        byte[] head = new byte[Math.Min(bytes, stream.Length)];
        return Encoding.UTF8.GetString(head, 0, stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false));
    }
}
