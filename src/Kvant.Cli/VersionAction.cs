using System.CommandLine;
using System.CommandLine.Invocation;

namespace Kvant.Cli;

/// <summary>Answers <c>--version</c> with the version of the tool, whoever started it and without the commit behind it.</summary>
internal sealed class VersionAction : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        parseResult.InvocationConfiguration.Output.WriteLine($"kvant {typeof(VersionAction).Assembly.GetName().Version?.ToString(3)}");
        return Tool.Success;
    }
}
