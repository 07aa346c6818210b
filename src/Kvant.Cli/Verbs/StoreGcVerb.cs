using System.CommandLine;
using Kvant.Cli.Output;
using Kvant.Conversations.Stores;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant store gc</c>: removes what is of no use, and what is above a limit.</summary>
internal sealed class StoreGcVerb : StoreVerb
{
    private readonly Option<long?> _limit = SpeedOptions.Size("--limit", "Then remove what was used longest ago until the rest fits into this: a number and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB.");

    public StoreGcVerb()
        : base("gc", "Remove stored chunks that are of no use.") => Add(_limit);

    public override string Details => """
            Of no use are files that are no whole chunks, chunks whose predecessor is gone, and what was begun more than an hour ago
            and never finished. Programs may use the store meanwhile: what they miss is read by their model again.
            """;

    public override IReadOnlyList<string> Examples => ["kvant store gc kvant-store", "kvant store gc kvant-store --limit 20GiB"];

    protected override DiskReport Look(ParseResult result, string folder, Terminal terminal, bool json) =>
        new DiskChunkStore(folder, result.GetValue(_limit) ?? long.MaxValue).CollectGarbage(terminal.Cancellation);
}
