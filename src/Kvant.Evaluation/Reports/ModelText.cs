using Kvant.Evaluation.LanguageModels;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>What the page about a model says in words.</summary>
internal static class ModelText
{
    public static IEnumerable<string> KeyMeans(ModelReport report)
    {
        string[] layers = [.. report.LayersOfSharedKeys.Select(layer => $"{layer} ({Fixed(100 * report.KeyMeanShares[layer], 0)} %)")];
        yield return layers.Length == 0
            ? "The share of the keys' energy that is in the vector they have in common, over the first piece of the text. Here no layer has most of it there, so codes with one scale by row are at ease."
            : $"In {(layers.Length == 1 ? "layer" : "layers")} {string.Join(", ", layers)} most of the keys' energy is in one vector that all keys of a head share. A code with one scale "
                + "by row spends its levels on that vector, and what tells the keys apart drowns in its error; the softmax itself never sees what all keys share. "
                + "That is why codes that are good elsewhere lose so much on this model: give its keys more bits, or a method with many scales.";
    }

    public static IEnumerable<string> Meaning(ModelReport report)
    {
        yield return (report.Against is null
                ? "The model read the same tokens once with an fp32 cache and once with each pair of codecs; nothing else changed. "
                : $"The model read with each pair of codecs the tokens whose logits another engine wrote ({report.Against}); the row fp32 is what the two engines differ by. ") + "Each token attended to the cache as it decodes at "
            + $"that moment: the first {Count(report.Sinks)} tokens and the newest {Count(report.Window)} (and those that wait until their block is full) in 16-bit floats, all others compressed. "
            + "So this is what a decoder sees that generates the text token by token, not what it sees of a prompt that is read at once. All tokens count, the early ones, of which little is compressed, too.";
        yield return $"KL is the divergence of the next-token probabilities from {(report.Against is null ? "those with the fp32 cache" : report.Baseline)}, in nats: its median is the usual token, its 99th and 99.9th percentile and its maximum the rare bad ones. "
            + "Top-1 is how often the most likely token stays the same. Perplexity is compared on the same tokens. Δp is the root mean square change of the true token's probability.";
        yield return "± is one standard error: whole pieces of the text were drawn again 200 times, with replacement, the same ones for all pairs."
            + (report.Text.Chunks < 16 ? $" With {report.Text.Chunks} pieces that is rough; 16 or more are better." : "");
        yield return $"First other token: the model wrote {Count(report.GreedyTokens)} tokens behind each of {Count(report.GreedyPrompts)} prompts, always the most likely one; these are the places where the text first left "
            + "that of the fp32 cache. A text that leaves it once is another text, not a worse one.";
        yield return "Bytes per token count everything that the cache holds: codes, scales, sinks, window, and room in pages that is not used yet. Bits are these bytes by number, of the whole cache at that length; body bits are those of the compressed body alone, scales counted, "
            + "which is what bits come to as the text grows. "
            + "Tokens per second are medians of a few short runs on whatever else the machine did; compare them within one column only.";
    }
}
