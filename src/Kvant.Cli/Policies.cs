using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Evaluation.Experiments;
using Kvant.Formats;
using Kvant.Models.Decoding;

namespace Kvant.Cli;

/// <summary>The option <c>--policy</c>: the name of a preset, a file that <c>kvant tune</c> wrote, or codecs and steps by age (<see cref="LayerSpecs.FromText"/>).</summary>
internal static class Policies
{
    private static readonly string s_description = $"A preset ({PolicyText.Presets}), a policy file of 'kvant tune', or steps by age such as 'quality; 512: balanced; 2048: small'.";

    public static Option<string?> Option() => new FileOption<string?>("--policy", FileUse.Policy) { Description = s_description, HelpName = "NAME|FILE" };

    /// <summary>The option where it may be repeated.</summary>
    public static Option<string[]> Options() => new FileOption<string[]>("--policy", FileUse.Policy) { Description = s_description + " May be repeated.", HelpName = "NAME|FILE", DefaultValueFactory = _ => [] };

    /// <summary>An option for chunks that were stored, of whatever model: codecs that are the same in all layers.</summary>
    /// <param name="name">The option.</param>
    /// <param name="description">What it is for; the sentence goes on.</param>
    public static Option<LayerSpecs?> OfStore(string name, string description) => new(name)
    {
        Description = $"{description}: a preset ({PolicyText.Presets}), or codecs such as 'turboquant:bits=3 / q8'.",
        HelpName = "POLICY",
        CustomParser = result =>
        {
            try
            {
                return LayerSpecs.FromText(result.Tokens[0].Value);
            }
            catch (FormatException e)
            {
                result.AddError($"{name}: {e.Message}");
                return null;
            }
        },
    };

    /// <summary>The policy of a preset, or of a file that was made for this model.</summary>
    /// <param name="text">The option's value.</param>
    /// <param name="geometry">The model's cache.</param>
    /// <param name="source">The model, or null where nobody knows which one it is.</param>
    /// <exception cref="InvalidDataException">The file is no policy, or one for another model.</exception>
    public static CachePolicy Load(string text, CacheGeometry geometry, PolicySource? source)
    {
        Known(text);
        return PolicyText.Load(text, geometry, source);
    }

    /// <summary>The same text, where it is one that is known and understood, for those who load it later.</summary>
    /// <exception cref="UsageException">It is not.</exception>
    public static string Known(string text)
    {
        if (PolicyText.Unknown(text) is { } unknown)
            throw new UsageException(unknown);
        if (PolicyText.IsSteps(text))
            Parse(text);
        return text;
    }

    /// <summary>The model that a trace says it was recorded of; null where it does not say.</summary>
    public static PolicySource? SourceOf(Trace trace) => trace.ModelHash is { } hash ? new($"the model of {trace.Path}", () => hash) : null;

    /// <summary>Several of them, with the names that reports show.</summary>
    public static NamedPolicy[] Named(IEnumerable<string> texts, CacheGeometry geometry, PolicySource? source) =>
        [.. texts.Select(text => new NamedPolicy(NameOf(text), Load(text, geometry, source).Layers))];

    /// <summary>The layers of several policies one by one, for commands that work on one layer: a preset is the same in all, of a file each layer that differs from those before is named.</summary>
    /// <exception cref="InvalidDataException">A file is no policy, or one for other dimensions.</exception>
    public static NamedPolicy[] OfOneLayer(IEnumerable<string> texts, int keyDimension, int valueDimension) => [.. texts.SelectMany(text =>
    {
        if (CachePreset.Find(text) is { } preset)
            return [new NamedPolicy(preset.Name, preset.ForLayers(1))];
        if (PolicyText.IsSteps(text))
            return [new NamedPolicy(text, LayerPolicy.Uniform(1, Parse(text)))];
        CachePolicy policy = CachePolicyFile.Load(Known(text));
        LayerSpecs[] layers = [.. policy.Layers.Where((_, layer) => (policy.Geometry[layer].KeyDimension, policy.Geometry[layer].ValueDimension) == (keyDimension, valueDimension)).Distinct()];
        if (layers.Length == 0)
            throw new InvalidDataException($"{text}: the policy is for keys of {policy.Geometry.KeyDimension} and values of {policy.Geometry.ValueDimension} numbers; here are {keyDimension} and {valueDimension}");
        return layers.Select(layer => new NamedPolicy(
            layers.Length == 1 ? NameOf(text) : $"{NameOf(text)}, layer {policy.Layers.Index().First(l => l.Item == layer).Index}", LayerPolicy.Uniform(1, layer)));
    })];

    /// <summary>What reports call it.</summary>
    public static string NameOf(string text) => PolicyText.IsSteps(text) ? text : Path.GetFileNameWithoutExtension(text);

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
}
