using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Kvant.Models.Generation;

namespace Kvant.Cli;

/// <summary>The options that say how the next token is chosen.</summary>
internal sealed class SamplingOptions
{
    private readonly Option<double> _temperature = CommonOptions.Real("--temperature", 0, t => t >= 0, "0 or more", "What logits are divided by; 0 takes the most likely token always");
    private readonly Option<int> _topK = CommonOptions.Number("--top-k", 0, 0, int.MaxValue, "Choose among so many of the most likely tokens; 0 for all");
    private readonly Option<double> _topP = CommonOptions.Real("--top-p", 1, p => p is > 0 and <= 1, "above 0 and at most 1", "Choose among the fewest tokens whose probabilities add up to this");
    private readonly Option<double> _minP = CommonOptions.Real("--min-p", 0, p => p is >= 0 and <= 1, "0 to 1", "Choose among tokens at least so likely as this share of the most likely one");
    private readonly Option<double> _repetition = CommonOptions.Real("--repetition-penalty", 1, p => p > 0, "above 0", "What logits of recent tokens are divided by, negative ones multiplied; 1 for none");
    private readonly Option<double> _presence = CommonOptions.Real("--presence-penalty", 0, p => p >= 0, "0 or more", "What is subtracted from the logits of recent tokens");
    private readonly Option<double> _frequency = CommonOptions.Real("--frequency-penalty", 0, p => p >= 0, "0 or more", "What is subtracted from the logits of recent tokens for each time they came");
    private readonly Option<int> _recent = CommonOptions.Number("--recent", 64, 0, int.MaxValue, "How many of the last tokens, the prompt's counted, the penalties look at");
    private readonly Option<KeyValuePair<int, float>[]> _bias = new("--logit-bias")
    {
        Description = "What is added to the logit of a token, by its number; -inf forbids it. As often as you like.",
        HelpName = "TOKEN=X",
        CustomParser = Biases,
    };

    private readonly Option<ulong> _seed = CommonOptions.Number("--seed", 0ul, 0ul, ulong.MaxValue, "Names the random choices: the same seed gives the same text");

    /// <summary>All of them, in the order of the help.</summary>
    public IEnumerable<Option> All => [_temperature, _topK, _topP, _minP, _repetition, _presence, _frequency, _recent, _bias, _seed];

    /// <summary>What was said.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="vocabulary">Tokens of the model.</param>
    /// <exception cref="UsageException">A bias is of no token.</exception>
    public SamplerOptions Of(ParseResult result, int vocabulary)
    {
        var biases = new Dictionary<int, float>();
        foreach ((int token, float bias) in result.GetValue(_bias) ?? [])
        {
            if (token >= vocabulary)
                throw new UsageException($"--logit-bias: there is no token {token}; the model has {vocabulary}");
            biases[token] = bias;
        }

        return new SamplerOptions
        {
            Temperature = result.GetValue(_temperature),
            TopK = result.GetValue(_topK),
            TopP = result.GetValue(_topP),
            MinP = result.GetValue(_minP),
            RepetitionPenalty = result.GetValue(_repetition),
            PresencePenalty = result.GetValue(_presence),
            FrequencyPenalty = result.GetValue(_frequency),
            RecentTokens = result.GetValue(_recent),
            LogitBias = biases,
            Seed = result.GetValue(_seed),
        };
    }

    private static KeyValuePair<int, float>[]? Biases(ArgumentResult result)
    {
        var biases = new List<KeyValuePair<int, float>>();
        foreach (Token token in result.Tokens)
        {
            string[] parts = token.Value.Split('=');
            float bias = float.NegativeInfinity;
            if (parts.Length == 2 && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                && (parts[1] == "-inf" || (float.TryParse(parts[1], NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out bias) && float.IsFinite(bias))))
            {
                biases.Add(new(number, bias));
                continue;
            }

            result.AddError($"--logit-bias must be the number of a token, '=', and a number or -inf; found '{token.Value}'");
        }

        return [.. biases];
    }
}
