using Kvant.Models.Gguf;

namespace Kvant.Cli.Tests;

/// <summary>A llama of one layer with the words of the model that ships, random weights and heads of any dimension.</summary>
internal static class SmallModel
{
    private const int Width = 32;

    /// <summary>Writes it.</summary>
    public static void Write(string path, int headDimension)
    {
        using GgufFile shipped = GgufFile.Open(TempFolder.Model);
        var writer = new GgufWriter();
        writer.Add("general.architecture", "llama");
        foreach ((string name, int value) in (ReadOnlySpan<(string, int)>)[("context_length", 256), ("embedding_length", Width), ("block_count", 1), ("feed_forward_length", Width), ("attention.head_count", 2), ("attention.head_count_kv", 1), ("attention.key_length", headDimension), ("attention.value_length", headDimension)])
            writer.Add($"llama.{name}", (uint)value);
        writer.Add("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        foreach ((string key, GgufValue value) in shipped.Metadata.Where(m => m.Key.StartsWith("tokenizer.ggml.", StringComparison.Ordinal)))
            Copy(writer, key, value);
        var random = new Random(3);
        Tensor("token_embd", Width, (int)shipped.Tensor("token_embd.weight").Shape[1]);
        Tensor("output_norm", Width);
        foreach (string norm in (string[])["attn_norm", "ffn_norm"])
            Tensor($"blk.0.{norm}", Width);
        Tensor("blk.0.attn_q", Width, 2 * headDimension);
        Tensor("blk.0.attn_k", Width, headDimension);
        Tensor("blk.0.attn_v", Width, headDimension);
        Tensor("blk.0.attn_output", 2 * headDimension, Width);
        Tensor("blk.0.ffn_gate", Width, Width);
        Tensor("blk.0.ffn_up", Width, Width);
        Tensor("blk.0.ffn_down", Width, Width);
        writer.Save(path);

        void Tensor(string name, params int[] shape)
        {
            float[] numbers = new float[shape.Aggregate(1, (a, b) => a * b)];
            for (int i = 0; i < numbers.Length; i++)
                numbers[i] = shape.Length == 1 ? 1 : random.NextSingle() - .5f;
            writer.AddTensor($"{name}.weight", numbers, [.. shape.Select(s => (long)s)]);
        }
    }

    private static void Copy(GgufWriter writer, string key, GgufValue value)
    {
        if (Try(value.AsText) is { } text)
            writer.Add(key, text);
        else if (Try(value.AsTexts) is { } texts)
            writer.Add(key, texts);
        else if (Try(value.AsIntegers) is { } integers)
            writer.Add(key, integers);
        else if (Try(value.AsSingles) is { } singles)
            writer.Add(key, singles);
        else if (Try(() => (object)value.AsBoolean()) is bool yes)
            writer.Add(key, yes);
        else
            writer.Add(key, (uint)value.AsCount());

        static T? Try<T>(Func<T> read)
            where T : class
        {
            try
            {
                return read();
            }
            catch (InvalidDataException)
            {
                return null;
            }
        }
    }
}
