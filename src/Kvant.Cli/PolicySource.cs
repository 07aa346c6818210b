using Kvant.Formats;
using Kvant.Models.Decoding;

namespace Kvant.Cli;

/// <summary>The model that a policy is going to be used for, by the hash that policy files are bound to.</summary>
/// <param name="Name">The file, for messages.</param>
/// <param name="Hash">Computes the hash, which takes a while.</param>
internal sealed record PolicySource(string Name, Func<string> Hash)
{
    /// <summary>A model's file or files.</summary>
    public static PolicySource Of(LanguageModel model) => new(model.File.Path, () => CachePolicyFile.HashOf([.. model.File.Paths]));

    /// <summary>The model that a trace says it was recorded of; null where it does not say.</summary>
    public static PolicySource? Of(Trace trace) => trace.ModelHash is { } hash ? new($"the model of {trace.Path}", () => hash) : null;
}
