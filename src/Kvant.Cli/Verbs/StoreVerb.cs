using System.CommandLine;
using System.Text.Json;
using Kvant.Cli.Output;
using Kvant.Conversations.Stores;

namespace Kvant.Cli.Verbs;

/// <summary>What the verbs of <c>kvant store</c> have in common: they look at all files of a folder of chunks.</summary>
internal abstract class StoreVerb : Verb
{
    private readonly Argument<string> _folder = new("DIR") { Description = "The folder of the store." };

    /// <summary>How many chunks and bytes there are.</summary>
    protected static readonly Column<DiskReport>[] Sizes =
    [
        Column<DiskReport>.OfInteger("files", "chunks", r => r.Files),
        Column<DiskReport>.OfInteger("bytes", "bytes", r => r.Bytes),
    ];

    private static readonly Column<DiskReport>[] Problems =
    [
        Column<DiskReport>.OfValue("problems", "problems", r => r.Problems.Count == 0 ? "none" : string.Join('\n', r.Problems.Select(p => Printable.Line($"{p.File}: {p.Reason}"))), WriteProblems),
    ];

    /// <summary>A verb.</summary>
    /// <param name="name">The word behind <c>kvant store</c>.</param>
    /// <param name="summary">What it does, one sentence.</param>
    protected StoreVerb(string name, string summary)
        : base(name, summary) => Add(_folder);

    /// <summary>What the verb says beside problems.</summary>
    protected virtual IReadOnlyList<Column<DiskReport>> Columns => [.. Sizes, Column<DiskReport>.OfInteger("evicted", "evicted", r => r.Evicted)];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        string folder = result.GetRequiredValue(_folder);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"the folder {folder} does not exist");
        DiskReport report = Look(result, folder, terminal, json);
        Tables.WriteOne(terminal, json, [.. Columns, .. Problems], report);
        Conclude(folder, report);
    }

    /// <summary>Does what the verb is for.</summary>
    protected abstract DiskReport Look(ParseResult result, string folder, Terminal terminal, bool json);

    /// <summary>Says what is wrong, as an exception, if anything is.</summary>
    protected virtual void Conclude(string folder, DiskReport report)
    {
    }

    private static void WriteProblems(Utf8JsonWriter json, DiskReport report)
    {
        json.WriteStartArray();
        foreach ((string file, string reason) in report.Problems)
        {
            json.WriteStartObject();
            json.WriteString("file", file);
            json.WriteString("reason", reason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
