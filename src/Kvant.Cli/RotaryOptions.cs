using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Kvant.Codecs;

namespace Kvant.Cli;

/// <summary>How positions turned the keys of a trace, for files of other programs that do not say.</summary>
internal sealed class RotaryOptions
{
    /// <summary>The base of the wavelengths.</summary>
    public Option<double?> Base { get; } = new("--rope-base")
    {
        Description = "The base of the rotary embedding of a trace that does not say it, such as 10000; codecs with 'frame' use it.",
        HelpName = "X",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = Parse,
    };

    /// <summary>Which channels are turned together.</summary>
    public Option<RotaryPairs?> Pairs { get; } = new("--rope-pairs")
    {
        Description = "Which channels it turns together: halves unless said.",
        HelpName = "halves|neighbors",
        Arity = ArgumentArity.ExactlyOne,
    };

    /// <summary>What was said; null for nothing.</summary>
    /// <exception cref="UsageException">Pairs without a base.</exception>
    public RotaryEmbedding? Of(ParseResult result) => (result.GetValue(Base), result.GetValue(Pairs)) switch
    {
        (null, null) => null,
        (null, _) => throw new UsageException("--rope-pairs goes with --rope-base"),
        ({ } @base, var pairs) => new() { Base = @base, Pairs = pairs ?? RotaryPairs.Halves },
    };

    /// <summary>Refuses them for models, which say it themselves.</summary>
    /// <exception cref="UsageException">One is there.</exception>
    public void RequireNone(ParseResult result)
    {
        if (Of(result) is not null)
            throw new UsageException("--rope-base goes with a trace; a model says it itself");
    }

    private static double? Parse(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number > 0 && double.IsNormal(number))
            return number;
        result.AddError($"--rope-base must be a number above 0; found '{text}'");
        return null;
    }
}
