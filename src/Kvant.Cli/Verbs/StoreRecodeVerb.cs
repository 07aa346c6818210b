using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Output;
using Kvant.Conversations.Stores;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant store recode</c>: what is stored takes fewer bits.</summary>
internal sealed class StoreRecodeVerb : StoreVerb
{
    private readonly Option<LayerSpecs?> _policy = Policies.OfStore("--policy", "What chunks are coded again to");
    private readonly Option<int> _unused = CommonOptions.Number("--unused", 0, 0, 1_000_000, "Only chunks that were not used for so many days");

    public StoreRecodeVerb()
        : base("recode", "Code stored chunks again to fewer bits.")
    {
        _policy.Required = true;
        _unused.HelpName = "DAYS";
        Add(_policy);
        Add(_unused);
    }

    public override string Details => """
            Chunks stay in their places and are found as before; no model is needed. What is restored of them loses what both
            codecs lose. A chunk whose blocks would not get an eighth smaller stays as it is. Programs may use the store meanwhile.
            'kvant serve --store-recode' does this by itself before the store forgets anything.
            """;

    public override IReadOnlyList<string> Examples => ["kvant store recode kvant-store --policy tiny", "kvant store recode kvant-store --policy small --unused 30"];

    protected override IReadOnlyList<Column<DiskReport>> Columns =>
    [
        .. Sizes,
        Column<DiskReport>.OfInteger("bytesBefore", "bytes before", r => r.Bytes + r.Saved),
        Column<DiskReport>.OfInteger("recoded", "coded again", r => r.Recoded),
    ];

    protected override DiskReport Look(ParseResult result, string folder, Terminal terminal, bool json)
    {
        DiskReport? report = null;
        terminal.WithProgress("coding again", json, done =>
            report = new DiskChunkStore(folder).Recode(result.GetRequiredValue(_policy)!, TimeSpan.FromDays(result.GetValue(_unused)), new ShareProgress(done), terminal.Cancellation));
        return report!;
    }

    protected override void Conclude(string folder, DiskReport report)
    {
        if (report.Recoded == 0 && report.Problems.Count > 0)
            throw new InvalidDataException($"{folder}: no chunk was coded again: {report.Problems[0].Reason}");
    }
}
