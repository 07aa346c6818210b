using System.CommandLine;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Cli;

/// <summary>The options that say which codecs and policies a command compares, the same in every command; each may be repeated.</summary>
internal sealed class Methods(string withoutAny)
{
    private readonly Option<CodecSpec[]> _both = CommonOptions.Specs("--codec", $"A codec for keys and values alike; may be repeated. {withoutAny}");
    private readonly Option<CodecSpec[]> _keys = CommonOptions.Specs("--keys", "A codec for keys; may be repeated, and goes with the --values in the same place.");
    private readonly Option<CodecSpec[]> _values = CommonOptions.Specs("--values", "A codec for values; may be repeated. One --keys goes with every --values, and the other way round.");
    private readonly Option<string[]> _policies = Cli.Policies.Options();

    /// <summary>All of them, for the command.</summary>
    public IEnumerable<Option> Options => [_both, _keys, _values, _policies];

    /// <summary>The pairs of codecs that were asked for.</summary>
    /// <exception cref="UsageException">Keys and values do not go together.</exception>
    public List<LayerSpecs> Pairs(ParseResult result) => SpecPairs.Of(result.GetValue(_both), result.GetValue(_keys), result.GetValue(_values));

    /// <summary>The presets and policy files that were asked for.</summary>
    public string[] Policies(ParseResult result) => result.GetValue(_policies) ?? [];
}
