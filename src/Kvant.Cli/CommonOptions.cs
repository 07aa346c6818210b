using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using Kvant.Caching;
using Kvant.Cli.Files;
using Kvant.Cli.Pulling;
using Kvant.Codecs;

namespace Kvant.Cli;

/// <summary>The options and arguments that several commands have, with errors that name what is allowed.</summary>
internal static class CommonOptions
{
    private const string Replaced = "An earlier output is replaced when the new one is complete; any other file needs --force.";

    public static Option<bool> Json() => new("--json") { Description = "Write JSON for machines instead of a table." };

    public static Option<bool> Force() => new("--force") { Description = "Replace an output file whatever it is, but never one that is read." };

    /// <summary>A whole number of a range; the description says everything but the range.</summary>
    public static Option<T> Number<T>(string name, T @default, T minimum, T maximum, string description)
        where T : struct, IBinaryInteger<T> => new(name)
        {
            Description = maximum.Equals(int.MaxValue) ? $"{description}, {minimum} or more." : $"{description}, {minimum} to {maximum}.",
            HelpName = "N",
            DefaultValueFactory = _ => @default,
            CustomParser = result => Parse(result, name, minimum, maximum),
        };

    /// <summary>How many of the newest tokens are not compressed.</summary>
    public static Option<int> Window(int @default = KvCacheOptions.DefaultWindow) => Number("--window", @default, 0, int.MaxValue / 2, "Newest tokens, in 16-bit floats");

    /// <summary>How many of the first tokens are not compressed.</summary>
    public static Option<int> Sinks(int @default = KvCacheOptions.DefaultSinks) => Number("--sinks", @default, 0, int.MaxValue / 2, "First tokens, in 16-bit floats");

    /// <summary>A number where it was given, null where it is the default.</summary>
    public static T? Given<T>(ParseResult result, Option<T> option)
        where T : struct => result.GetResult(option) is { Implicit: false } ? result.GetValue(option) : null;

    /// <summary>A number that need not be whole.</summary>
    /// <param name="name">The option.</param>
    /// <param name="default">What it is where it is not given.</param>
    /// <param name="allowed">Whether a finite number is in the range.</param>
    /// <param name="range">The range in words, as in "0 or more".</param>
    /// <param name="description">Everything but the range.</param>
    public static Option<double> Real(string name, double @default, Func<double, bool> allowed, string range, string description) => new(name)
    {
        Description = $"{description}, {range}.",
        HelpName = "X",
        DefaultValueFactory = _ => @default,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value) && allowed(value))
                return value;
            result.AddError($"{name} must be a number, {range}; found '{text}'");
            return 0;
        },
    };

    /// <summary>A model's file, or the name of one that was pulled; without it the one that ships.</summary>
    public static Option<string?> Model() => Model("The model (GGUF) of a family that docs/models.md names: a file, or the name of one that 'kvant pull' brought. Without it: the small one that ships.");

    /// <summary>A model's file, or the name of one that was pulled.</summary>
    public static Option<string?> Model(string description) => new FileOption<string?>("--model", FileUse.Input)
    {
        Description = description,
        HelpName = "FILE|NAME",
        Resolve = ModelFolder.Resolve,
        CustomParser = result => ModelFolder.Resolve(result.Tokens[0].Value),
    };

    /// <summary>What a model reads; without it the text that ships.</summary>
    public static Option<string?> Text() => Input("--text", FileUse.Text, "What the model reads, plain text. Without it: the held-out text of the model that ships.");

    /// <summary>Whether weights are copied for fast products.</summary>
    public static Option<bool> CopyWeights() => new("--copy-weights")
    {
        Description = "Copy the weights into memory, laid out for this processor: tokens of a large model come sooner, and the copy takes as much memory as the weights do.",
    };

    /// <summary>What arithmetic a user wants, if it and copied weights fit each other.</summary>
    /// <exception cref="UsageException">They do not.</exception>
    public static Arithmetic ArithmeticOf(ParseResult result, Option<Arithmetic> arithmetic, Option<bool> copyWeights) =>
        result.GetValue(arithmetic) is var wanted && wanted == Codecs.Arithmetic.Exact && result.GetValue(copyWeights)
            ? throw new UsageException("--copy-weights serves fast arithmetic; leave it out, or --arithmetic exact")
            : wanted;

    /// <summary>A device that attends in the processor's place.</summary>
    public static Option<int?> Device() => new("--device")
    {
        Description = "Attend on this device, numbered as 'kvant devices' lists them, instead of on the processor.",
        HelpName = "N",
        CustomParser = result => Parse(result, "--device", 0, int.MaxValue),
    };

    /// <summary>How products with weights are computed.</summary>
    public static Option<Arithmetic> Arithmetic(Arithmetic @default) => new("--arithmetic")
    {
        Description = "How weights in small integers are multiplied: exact (in floats) or fast (in integers, what they meet rounded to 16 bits).",
        HelpName = "exact|fast",
        DefaultValueFactory = _ => @default,
        CustomParser = result =>
        {
            switch (result.Tokens[0].Value)
            {
                case "exact": return Codecs.Arithmetic.Exact;
                case "fast": return Codecs.Arithmetic.Fast;
                default:
                    result.AddError($"--arithmetic must be exact or fast; found '{result.Tokens[0].Value}'");
                    return @default;
            }
        },
    };

    /// <summary>Codec specs; the option may be repeated.</summary>
    public static Option<CodecSpec[]> Specs(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SPEC",
        Arity = ArgumentArity.OneOrMore,
        DefaultValueFactory = _ => [],
        CustomParser = result => [.. result.Tokens.Select(token => Parse(result, token)).OfType<CodecSpec>()],
    };

    /// <summary>One codec spec that may be left out.</summary>
    public static Option<CodecSpec?> Spec(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SPEC",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = result => Parse(result, result.Tokens[0]),
    };

    /// <summary>An input file.</summary>
    public static Argument<string> File(string name, string description) => WithValidator(new FileArgument<string>(name) { Description = description });

    /// <summary>An input file that may be left out.</summary>
    public static Argument<string?> OptionalFile(string name, string description) =>
        WithValidator(new FileArgument<string?>(name) { Description = description, Arity = ArgumentArity.ZeroOrOne });

    /// <summary>An input file that may be left out.</summary>
    public static Option<string?> Input(string name, FileUse use, string description) => new FileOption<string?>(name, use) { Description = description, HelpName = "FILE" };

    /// <summary>An output file that must be named.</summary>
    public static Option<string> Output(string name, OutputKind kind, string description, params string[] aliases) => new FileOption<string>(name, FileUse.Output, kind, aliases)
    {
        Description = $"{description} {Replaced}",
        HelpName = "FILE",
        Required = true,
    };

    /// <summary>An output file that is written only where it is named.</summary>
    public static Option<string?> OptionalOutput(string name, OutputKind kind, string description, params string[] aliases) => new FileOption<string?>(name, FileUse.Output, kind, aliases)
    {
        Description = $"{description} {Replaced}",
        HelpName = "FILE",
    };

    /// <summary>How a trace stores its numbers.</summary>
    public static Option<string> TraceType()
    {
        Option<string> type = new("--type")
        {
            Description = "How the trace stores its numbers: f16 (half the size) or f32 (exactly what they are).",
            HelpName = "f16|f32",
            DefaultValueFactory = _ => "f16",
        };
        return type.AcceptOnlyFromAmong("f16", "f32");
    }

    // The parser hands an unknown option to an argument that is still free; a file name like that is written ./-name.
    private static FileArgument<T> WithValidator<T>(FileArgument<T> argument)
    {
        argument.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && result.Tokens[0].Value is ['-', _, ..] and var value && result.Parent is CommandResult parent)
                result.AddError(UsageErrors.UnknownOption(value, parent.Command));
            else if (result.Tokens.Count > 0 && result.Tokens[0].Value.Length == 0)
                result.AddError($"the argument {argument.Name} is empty");
        });
        return argument;
    }

    private static T Parse<T>(ArgumentResult result, string name, T minimum, T maximum)
        where T : struct, IBinaryInteger<T>
    {
        string text = result.Tokens[0].Value;
        if (T.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out T value) && value >= minimum && value <= maximum)
            return value;
        result.AddError(maximum.Equals(int.MaxValue)
            ? $"{name} must be a whole number, {minimum} or more; found '{text}'"
            : $"{name} must be a whole number from {minimum} to {maximum}; found '{text}'");
        return default;
    }

    private static CodecSpec? Parse(ArgumentResult result, Token token)
    {
        try
        {
            return CodecSpec.Parse(token.Value);
        }
        catch (FormatException e)
        {
            result.AddError(e.Message);
            return null;
        }
    }
}
