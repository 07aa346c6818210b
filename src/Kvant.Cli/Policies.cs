using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Evaluation.Experiments;
using Kvant.Formats;

namespace Kvant.Cli;

/// <summary>The option <c>--policy</c>: the name of a preset, a file that <c>kvant tune</c> wrote, or codecs and steps by age (<see cref="LayerSpecs.FromText"/>).</summary>
internal static class Policies
{
    private static readonly string s_presets = string.Join(", ", CachePreset.All.Select(p => p.Name));

    private static readonly string s_description = $"A preset ({s_presets}), a policy file of 'kvant tune', or steps by age such as 'quality; 512: balanced; 2048: small'.";

    public static Option<string?> Option() => new FileOption<string?>("--policy", FileUse.Policy) { Description = s_description, HelpName = "NAME|FILE" };

    /// <summary>The option where it may be repeated.</summary>
    public static Option<string[]> Options() => new FileOption<string[]>("--policy", FileUse.Policy) { Description = s_description + " May be repeated.", HelpName = "NAME|FILE", DefaultValueFactory = _ => [] };

    /// <summary>The policy of a preset, or of a file that was made for this model.</summary>
    /// <param name="text">The option's value.</param>
    /// <param name="geometry">The model's cache.</param>
    /// <param name="source">The model, or null where nobody knows which one it is.</param>
    /// <exception cref="InvalidDataException">The file is no policy, or one for another model.</exception>
    public static CachePolicy Load(string text, CacheGeometry geometry, PolicySource? source)
    {
        if (CachePreset.Find(text) is { } preset)
        {
            KvCacheOptions options = KvCacheOptions.Preset(preset.Name, geometry);
            return new CachePolicy { Geometry = geometry, Layers = (LayerPolicy)options.Policy, Sinks = options.Sinks, Window = options.Window };
        }

        if (IsText(text))
        {
            var defaults = new KvCacheOptions { Geometry = geometry, Policy = LayerPolicy.Uniform(geometry.Layers, Parse(text)) };
            return new CachePolicy { Geometry = geometry, Layers = (LayerPolicy)defaults.Policy, Sinks = defaults.Sinks, Window = defaults.Window };
        }

        CachePolicy policy = LoadFile(text);
        if (!policy.Geometry.StoresLike(geometry))
            throw new InvalidDataException($"{text}: the policy is for {Text(policy.Geometry)}; here are {Text(geometry)}");
        if (source is not null && policy.SourceHash is { } hash && hash != source.Hash())
            throw new InvalidDataException($"{text}: the policy was chosen for another model than {source.Name}; tune again for this one");
        return policy;
    }

    /// <summary>Several of them, with the names that reports show.</summary>
    public static NamedPolicy[] Named(IEnumerable<string> texts, CacheGeometry geometry, PolicySource? source) =>
        [.. texts.Select(text => new NamedPolicy(NameOf(text), Load(text, geometry, source).Layers))];

    /// <summary>The layers of several policies one by one, for commands that work on one layer: a preset is the same in all, of a file each layer that differs from those before is named.</summary>
    /// <exception cref="InvalidDataException">A file is no policy, or one for other dimensions.</exception>
    public static NamedPolicy[] OfOneLayer(IEnumerable<string> texts, int keyDimension, int valueDimension) => [.. texts.SelectMany(text =>
    {
        if (CachePreset.Find(text) is { } preset)
            return [new NamedPolicy(preset.Name, preset.ForLayers(1))];
        if (IsText(text))
            return [new NamedPolicy(text, LayerPolicy.Uniform(1, Parse(text)))];
        CachePolicy policy = LoadFile(text);
        LayerSpecs[] layers = [.. policy.Layers.Where((_, layer) => (policy.Geometry[layer].KeyDimension, policy.Geometry[layer].ValueDimension) == (keyDimension, valueDimension)).Distinct()];
        if (layers.Length == 0)
            throw new InvalidDataException($"{text}: the policy is for keys of {policy.Geometry.KeyDimension} and values of {policy.Geometry.ValueDimension} numbers; here are {keyDimension} and {valueDimension}");
        return layers.Select(layer => new NamedPolicy(
            layers.Length == 1 ? NameOf(text) : $"{NameOf(text)}, layer {policy.Layers.Index().First(l => l.Item == layer).Index}", LayerPolicy.Uniform(1, layer)));
    })];

    /// <summary>What reports call it.</summary>
    public static string NameOf(string text) => IsText(text) ? text : Path.GetFileNameWithoutExtension(text);

    /// <summary>Whether a value says steps by age instead of naming a preset or a file.</summary>
    public static bool IsText(string text) => text.Contains(';', StringComparison.Ordinal);

    /// <summary>The recommended preset, for commands that are given nothing else; where it does not fit it goes to a list, with its reason.</summary>
    public static string[] Default(int dimension, List<LeftOut> leftOut) =>
        [.. new[] { CachePreset.Default }.Fitting(p => p.Misfit(int.MaxValue, dimension, dimension), leftOut, p => p.Name).Select(p => p.Name)];

    private static LayerSpecs Parse(string text)
    {
        try
        {
            return LayerSpecs.FromText(text);
        }
        catch (FormatException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private static CachePolicy LoadFile(string text) => File.Exists(text)
        ? CachePolicyFile.Load(text)
        : throw new UsageException($"'{text}' is neither a preset ({s_presets}) nor a file");

    private static string Text(CacheGeometry g) => $"{g.Layers} layers of {g.KvHeads} heads with {g.KeyDimension} and {g.ValueDimension} numbers{(g.IsUniform ? "" : ", some of which differ")}";
}
