using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Kvant.Cli;

/// <summary>Options of commands that plan and measure: lists of numbers, seconds, sizes.</summary>
internal static class SpeedOptions
{
    private static readonly (string Unit, long Bytes)[] s_units =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40), ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
    ];

    /// <summary>How long to measure.</summary>
    public static Option<double> Seconds(double @default, string description) => new("--seconds")
    {
        Description = $"{description}, above 0 and at most 3600.",
        HelpName = "S",
        DefaultValueFactory = _ => @default,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && seconds is > 0 and <= 3600)
                return seconds;
            result.AddError($"--seconds must be a number above 0 and at most 3600; found '{text}'");
            return 0;
        },
    };

    /// <summary>Whole numbers with commas between.</summary>
    public static Option<int[]> Numbers(string name, int[] @default, int minimum, int maximum, string description) => new(name)
    {
        Description = $"{description}, each {minimum} to {maximum}, with commas between.",
        HelpName = "N,...",
        Arity = ArgumentArity.ExactlyOne,
        DefaultValueFactory = _ => @default,
        CustomParser = result => ParseNumbers(result, name, minimum, maximum),
    };

    /// <summary>A number of bytes that may be left out.</summary>
    public static Option<long?> Size(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            foreach ((string unit, long bytes) in s_units)
            {
                if (text.EndsWith(unit, StringComparison.OrdinalIgnoreCase)
                    && double.TryParse(text.AsSpan(0, text.Length - unit.Length).TrimEnd(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
                    && number > 0 && number * bytes < long.MaxValue)
                    return (long)(number * bytes);
            }

            result.AddError($"{name} must be a size such as 8GiB, 500MB or 64KiB; found '{text}'");
            return null;
        },
    };

    private static int[] ParseNumbers(ArgumentResult result, string name, int minimum, int maximum)
    {
        var numbers = new List<int>();
        foreach (string text in result.Tokens[0].Value.Split(','))
        {
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number < minimum || number > maximum)
            {
                result.AddError($"{name} takes whole numbers from {minimum} to {maximum} with commas between; found '{text}'");
                return [];
            }

            numbers.Add(number);
        }

        return [.. numbers];
    }
}
