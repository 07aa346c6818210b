using System.CommandLine;

namespace Kvant.Cli;

/// <summary>A word with several commands behind it, such as <c>kvant bench</c>; alone it shows its help.</summary>
internal sealed class VerbGroup : Command
{
    /// <summary>A group.</summary>
    /// <param name="name">The word behind <c>kvant</c>.</param>
    /// <param name="summary">What its commands have in common, one sentence.</param>
    /// <param name="verbs">The commands.</param>
    public VerbGroup(string name, string summary, params Verb[] verbs)
        : base(name, summary)
    {
        foreach (Verb verb in verbs)
            Add(verb);
        SetAction(result => new HelpWithExamples().Invoke(result));
    }
}
