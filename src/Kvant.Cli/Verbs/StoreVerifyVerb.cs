using System.CommandLine;
using Kvant.Cli.Output;
using Kvant.Conversations.Stores;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant store verify</c>: whether every chunk of a folder is whole.</summary>
internal sealed class StoreVerifyVerb() : StoreVerb("verify", "Read every stored chunk and compare its checksums and its name.")
{
    public override string Details => """
            Nothing is changed. A store removes damaged chunks by itself when they are asked for; 'kvant store gc' removes all.
            Where a file is no whole chunk the exit code is 1.
            """;

    public override IReadOnlyList<string> Examples => ["kvant store verify kvant-store"];

    protected override DiskReport Look(ParseResult result, string folder, Terminal terminal, bool json) => new DiskChunkStore(folder).Verify(terminal.Cancellation);

    protected override void Conclude(string folder, DiskReport report)
    {
        if (report.Problems.Count > 0)
            throw new InvalidDataException($"{folder}: {report.Problems.Count} of {report.Files} files are no whole chunks");
    }
}
