using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Evaluation.LanguageModels;
using Kvant.Formats;

namespace Kvant.Cli;

/// <summary>The option <c>--policy</c>: the name of a preset, or a file that <c>kvant tune</c> wrote.</summary>
internal static class Policies
{
    private static readonly string s_presets = string.Join(", ", CachePreset.All.Select(p => p.Name));

    private static readonly string s_description = $"A preset ({s_presets}), or a policy file of 'kvant tune'.";

    public static Option<string?> Option() => new FileOption<string?>("--policy", FileUse.Policy) { Description = s_description, HelpName = "NAME|FILE" };

    /// <summary>The option where it may be repeated.</summary>
    public static Option<string[]> Options() => new FileOption<string[]>("--policy", FileUse.Policy) { Description = s_description + " May be repeated.", HelpName = "NAME|FILE", DefaultValueFactory = _ => [] };

    /// <summary>The policy of a preset, or of a file that was made for this model.</summary>
    /// <param name="text">The option's value.</param>
    /// <param name="geometry">The model's cache.</param>
    /// <param name="source">The model's file or files, or null where there is none.</param>
    /// <exception cref="InvalidDataException">The file is no policy, or one for another model.</exception>
    public static CachePolicy Load(string text, CacheGeometry geometry, IReadOnlyList<string>? source)
    {
        if (CachePreset.Find(text) is { } preset)
        {
            KvCacheOptions options = KvCacheOptions.Preset(preset.Name, geometry);
            return new CachePolicy { Geometry = geometry, Layers = (LayerPolicy)options.Policy, Sinks = options.Sinks, Window = options.Window };
        }

        if (!File.Exists(text))
            throw new UsageException($"'{text}' is neither a preset ({s_presets}) nor a file");
        CachePolicy policy = CachePolicyFile.Load(text);
        // How many query heads share a key head is no matter of what is stored.
        if (policy.Geometry with { QueryHeads = geometry.QueryHeads } != geometry)
            throw new InvalidDataException($"{text}: the policy is for {Text(policy.Geometry)}; here are {Text(geometry)}");
        if (source is not null && policy.SourceHash is { } hash && hash != CachePolicyFile.HashOf([.. source]))
            throw new InvalidDataException($"{text}: the policy was chosen for another file than {source[0]}; tune again for this one");
        return policy;
    }

    /// <summary>Several of them, with the names that reports show.</summary>
    public static NamedPolicy[] Named(IEnumerable<string> texts, CacheGeometry geometry, IReadOnlyList<string> source) =>
        [.. texts.Select(text => new NamedPolicy(Path.GetFileNameWithoutExtension(text), Load(text, geometry, source).Layers))];

    private static string Text(CacheGeometry g) => $"{g.Layers} layers of {g.KvHeads} heads with {g.KeyDimension} and {g.ValueDimension} numbers";
}
