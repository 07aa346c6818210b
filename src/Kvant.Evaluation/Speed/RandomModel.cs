using System.Runtime.InteropServices;
using Kvant.Models.Formats;
using Kvant.Models.Gguf;
using Kvant.Numerics;

namespace Kvant.Evaluation.Speed;

/// <summary>Writes a model that has the shape of a real one and random weights in 8 bits: for its speed, what it says does not matter.</summary>
internal static class RandomModel
{
    // Few tokens, so that the last matrix, which varies between models the most, hardly counts.
    private const int Vocabulary = 1024;

    // Bytes that are all alike likely have this root mean square.
    private const double BytesSize = 73.9;

    /// <summary>Writes the file.</summary>
    /// <param name="path">Where to.</param>
    /// <param name="speed">The shape.</param>
    public static void Save(string path, DecodeSpeed speed)
    {
        TensorFormat format = TensorFormat.Parse("Q8_0");
        int width = speed.Width, queries = checked(speed.KvHeads * speed.Group * speed.Dimension), keys = speed.KvHeads * speed.Dimension;
        foreach (int columns in (ReadOnlySpan<int>)[width, queries, speed.FeedForward])
        {
            if (columns % format.BlockLength != 0)
                throw new ArgumentException($"A matrix of {columns} columns cannot be stored in 8 bits; a multiple of {format.BlockLength} can.", nameof(speed));
        }

        var writer = new GgufWriter();
        writer.Add("general.architecture", "llama");
        Count("context_length", speed.Tokens);
        Count("embedding_length", width);
        Count("block_count", speed.Layers);
        Count("feed_forward_length", speed.FeedForward);
        Count("attention.head_count", speed.KvHeads * speed.Group);
        Count("attention.head_count_kv", speed.KvHeads);
        Count("attention.key_length", speed.Dimension);
        writer.Add("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        var random = new SeededRandom(1);
        Matrix("token_embd", width, Vocabulary);
        Norm("output_norm");
        for (int layer = 0; layer < speed.Layers; layer++)
        {
            string prefix = $"blk.{layer}.";
            Norm(prefix + "attn_norm");
            Matrix(prefix + "attn_q", width, queries);
            Matrix(prefix + "attn_k", width, keys);
            Matrix(prefix + "attn_v", width, keys);
            Matrix(prefix + "attn_output", queries, width);
            Norm(prefix + "ffn_norm");
            Matrix(prefix + "ffn_gate", width, speed.FeedForward);
            Matrix(prefix + "ffn_up", width, speed.FeedForward);
            Matrix(prefix + "ffn_down", speed.FeedForward, width);
        }

        writer.Save(path);

        void Count(string name, int value) => writer.Add($"llama.{name}", (uint)value);

        void Norm(string name) => writer.AddTensor($"{name}.weight", Enumerable.Repeat(1f, width).ToArray(), width);

        // Each block: a scale in half precision, then signed bytes. The sizes keep the layers' outputs near 1.
        void Matrix(string name, int columns, int rows)
        {
            byte[] bytes = new byte[checked(columns / format.BlockLength * rows * format.BlockBytes)];
            byte[] scale = BitConverter.GetBytes((Half)(1 / (BytesSize * Math.Sqrt(columns))));
            foreach (ref ulong bits in MemoryMarshal.Cast<byte, ulong>(bytes.AsSpan()))
                bits = random.NextBits();
            for (int at = 0; at < bytes.Length; at += format.BlockBytes)
                scale.CopyTo(bytes, at);
            writer.AddTensor($"{name}.weight", format, bytes, columns, rows);
        }
    }
}
