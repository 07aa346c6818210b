using System.Globalization;
using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;

namespace OnnxBars;

/// <summary>Whether a model with a compressed past says what it says with one in floats.</summary>
internal static class Accuracy
{
    private const int Greedy = 200;

    /// <summary>Compares logits with rows of halves, and greedy tokens with a preset.</summary>
    public static void Run(string gguf, string model, string textFile, int tokens, string preset)
    {
        using GgufFile file = GgufFile.Open(gguf);
        int[] text = Tokenizer.Read(file).Encode(File.ReadAllText(textFile), addBegin: false)[..tokens];
        foreach (string name in new[] { "past", "layers", "cut" })
        {
            (float rounded, float plain, float largest) = Logits(name, model, text);
            int equal = Equal(name, model, text, preset);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: logits differ by {rounded:G3} from those with rows of halves, by {plain:G3} from those with rows of floats (the largest is {largest:G3}); {equal} of {Greedy} greedy tokens equal with {preset}"));
        }
    }

    // Token by token, as a cache sees them: those of a prompt would see each other before they are rounded.
    private static (float Rounded, float Plain, float Largest) Logits(string name, string model, int[] text)
    {
        using Way way = new(name, model, "fp16"), rounded = new("plain", model, ""), plain = new("plain", model, "");
        float byRounding = 0, byAll = 0, largest = 0;
        foreach (int token in text)
        {
            float[] found = way.Forward(token), wanted = rounded.Forward(token), floats = plain.Forward(token);
            rounded.Round(1);
            for (int i = 0; i < found.Length; i++)
                (byRounding, byAll, largest) = (Math.Max(byRounding, Math.Abs(found[i] - wanted[i])), Math.Max(byAll, Math.Abs(found[i] - floats[i])), Math.Max(largest, Math.Abs(floats[i])));
        }

        return (byRounding, byAll, largest);
    }

    private static int Equal(string name, string model, int[] text, string preset)
    {
        using Way way = new(name, model, preset), plain = new("plain", model, "");
        int equal = 0, found = Best(way.Forward(text)), wanted = Best(plain.Forward(text));
        for (; equal < Greedy && found == wanted; equal++)
            (found, wanted) = (Best(way.Forward(found)), Best(plain.Forward(wanted)));
        return equal;
    }

    private static int Best(float[] logits) => Array.IndexOf(logits, logits.Max());
}
