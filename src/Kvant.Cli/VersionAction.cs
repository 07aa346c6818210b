using System.CommandLine;
using System.CommandLine.Invocation;
using Kvant.Evaluation.Experiments;

namespace Kvant.Cli;

/// <summary>Answers <c>--version</c> with the version that the tool was built with, whoever started it and without the commit behind it.</summary>
internal sealed class VersionAction : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        parseResult.InvocationConfiguration.Output.WriteLine($"kvant {MachineInfo.KvantVersion}");
        return Tool.Success;
    }
}
