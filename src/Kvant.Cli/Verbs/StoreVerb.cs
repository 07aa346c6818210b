using System.CommandLine;
using System.Text.Json;
using Kvant.Cli.Output;
using Kvant.Conversations.Stores;

namespace Kvant.Cli.Verbs;

/// <summary>What the verbs of <c>kvant store</c> have in common: they look at all files of a folder of chunks.</summary>
internal abstract class StoreVerb : Verb
{
    private readonly Argument<string> _folder = new("DIR") { Description = "The folder of the store." };

    private static readonly Column<DiskReport>[] Fields =
    [
        Column<DiskReport>.OfInteger("files", "chunks", r => r.Files),
        Column<DiskReport>.OfInteger("bytes", "bytes", r => r.Bytes),
        Column<DiskReport>.OfInteger("evicted", "evicted", r => r.Evicted),
        Column<DiskReport>.OfValue("problems", "problems", r => r.Problems.Count == 0 ? "none" : string.Join('\n', r.Problems.Select(p => Printable.Line($"{p.File}: {p.Reason}"))), WriteProblems),
    ];

    /// <summary>A verb.</summary>
    /// <param name="name">The word behind <c>kvant store</c>.</param>
    /// <param name="summary">What it does, one sentence.</param>
    protected StoreVerb(string name, string summary)
        : base(name, summary) => Add(_folder);

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        string folder = result.GetRequiredValue(_folder);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"the folder {folder} does not exist");
        DiskReport report = Look(result, folder, terminal.Cancellation);
        Tables.WriteOne(terminal, json, Fields, report);
        Conclude(folder, report);
    }

    /// <summary>Does what the verb is for.</summary>
    protected abstract DiskReport Look(ParseResult result, string folder, CancellationToken cancellation);

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
