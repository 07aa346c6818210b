using System.Globalization;
using System.Numerics.Tensors;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;
using Kvant.Models.Tokenizers;

namespace LlamaSpeed;

/// <summary>Greedy answers to twelve prompts, by Kvant and by llama.cpp, both with caches of f16 as they are when nothing is said. Where two part, the reference (llama.cpp with the weights in single precision)
/// reads what is common to both and says by how much one token is likelier to it than the other.</summary>
internal static class GreedyTexts
{
    private static readonly string[] Prompts =
    [
        "Why is the sky blue?", "Write a short story about a fox.", "What is the capital of France?", "Explain photosynthesis to a child.", "List five uses of a brick.", "Translate 'good morning' into Spanish.",
        "What is 17 times 23?", "Who wrote Hamlet, and when?", "Give me a recipe for pancakes.", "Write a function in Python that reverses a string.", "What causes the tides?", "Describe the sea in one paragraph.",
    ];

    public static void Run(string path, int count)
    {
        using LanguageModel model = LanguageModel.Open(path);
        Tokenizer tokenizer = Tokenizer.Read(model.File);
        ChatTemplate template = ChatTemplate.Find(model.File) ?? throw new InvalidDataException($"{path}: the model has no chat template that is known");
        int[][] prompts = [.. Prompts.Select(p => template.Encode(tokenizer, [new ChatMessage("user", p)]))];
        int context = prompts.Max(p => p.Length) + count + 1, threads = 1, parted = 0, same = 0;
        using Llama theirs = new(path, context, threads), reference = new(FloatCopy.Of(path), context, threads, type: 0);
        double largest = 0;
        for (int i = 0; i < prompts.Length; i++)
        {
            int[] ours = OfKvant(model, tokenizer, prompts[i], count, threads), other = OfLlama(theirs, tokenizer, prompts[i], count);
            int common = ours.AsSpan().CommonPrefixLength(other);
            same += ours.AsSpan().SequenceEqual(OfLlama(reference, tokenizer, prompts[i], count)) ? 1 : 0;
            if (common == Math.Min(ours.Length, other.Length))
            {
                Console.WriteLine($"{Prompts[i]}: the same {common} tokens");
                continue;
            }

            parted++;
            int[] read = [.. prompts[i], .. ours[..common]];
            float[] exact = Behind(reference, read), rounded = Behind(theirs, read);
            int mine = ours[common], its = other[common];
            double gap = exact[mine] - exact[its], gapThere = rounded[mine] - rounded[its];
            largest = Math.Max(largest, Math.Abs(gap));
            string most = TensorPrimitives.IndexOfMax<float>(exact) is var best && best == mine ? "Kvant's" : best == its ? "llama.cpp's" : "neither's";
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{Prompts[i]}: the same {common} tokens, then '{tokenizer.Decode([mine])}' by Kvant and '{tokenizer.Decode([its])}' by llama.cpp; logits apart by {gap:0.0000} in the reference, which takes {most}, and {gapThere:0.0000} in llama.cpp").Replace("\n", "\\n", StringComparison.Ordinal));
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{prompts.Length} prompts, {count} tokens at most: {parted} part; the largest gap in the reference is {largest:0.0000}. Kvant writes the reference's text on {same}."));
    }

    private static int[] OfKvant(LanguageModel model, Tokenizer tokenizer, int[] prompt, int count, int threads)
    {
        CodecSpec fp16 = CodecSpec.Parse("fp16");
        using KvCache cache = new(model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, fp16, fp16)));
        using WorkerTeam team = new(threads);
        using CompressedAttention attention = new(cache, team: team);
        using TextGenerator generator = new(model, tokenizer, attention, new DecoderOptions { Arithmetic = Arithmetic.Fast }, team: team);
        generator.Read(prompt);
        return [.. generator.Write(count).Tokens];
    }

    private static int[] OfLlama(Llama llama, Tokenizer tokenizer, int[] prompt, int count)
    {
        List<int> tokens = [];
        float[] logits = Behind(llama, prompt);
        while (tokens.Count < count)
        {
            int token = TensorPrimitives.IndexOfMax<float>(logits);
            tokens.Add(token);
            if (tokenizer.IsEnd(token))
                break;
            llama.Decode([token]);
            logits = llama.Logits().ToArray();
        }

        return [.. tokens];
    }

    private static float[] Behind(Llama llama, int[] tokens)
    {
        llama.Clear();
        llama.Decode(tokens);
        return llama.Logits().ToArray();
    }
}
