using Kvant.Models.Tokenizers;
using Kvant.Numerics;

namespace Kvant.Evaluation.Retrieval;

/// <summary>Puts a number into a text of a given length.</summary>
/// <param name="tokenizer">Of the model that is to read it.</param>
/// <param name="filler">The text around.</param>
/// <param name="needle">The sentence, with a <see cref="Placeholder"/>.</param>
internal sealed class PasskeyText(Tokenizer tokenizer, string filler, string needle)
{
    /// <summary>What stands for the number.</summary>
    public const string Placeholder = "NNNNN";

    private readonly int[] _begin = tokenizer.AddsBegin ? [tokenizer.Begin!.Value] : [];
    private readonly int[] _filler = tokenizer.Encode(filler, addBegin: false);

    /// <summary>Five different digits: a model that goes on from a repeated digit would be led astray by the number, not by the codec.</summary>
    public static string DrawNumber(SeededRandom random)
    {
        List<char> left = [.. "0123456789"];
        char[] number = new char[Placeholder.Length];
        for (int i = 0; i < number.Length; i++)
        {
            int drawn = (int)(random.NextDouble() * left.Count);
            number[i] = left[drawn];
            left.RemoveAt(drawn);
        }

        return new string(number);
    }

    /// <summary>The tokens of a text with the number in it.</summary>
    /// <param name="number">The number.</param>
    /// <param name="depth">Where: 0 at the beginning, 1 at the end.</param>
    /// <param name="length">Tokens.</param>
    /// <exception cref="ArgumentException">The sentence does not fit, or there is no filler.</exception>
    public int[] Hide(string number, double depth, int length)
    {
        int[] sentence = tokenizer.Encode(needle.Replace(Placeholder, number, StringComparison.Ordinal), addBegin: false);
        int rest = length - sentence.Length - _begin.Length, before = (int)(depth * rest);
        if (rest < 0 || _filler.Length == 0)
            throw new ArgumentException($"A text of {length} tokens and a filler of {_filler.Length} found; at least {sentence.Length + _begin.Length} and 1 are wanted.");
        int[] around = [.. Enumerable.Range(0, rest).Select(i => _filler[i % _filler.Length])];
        return [.. _begin, .. around[..before], .. sentence, .. around[before..]];
    }
}
