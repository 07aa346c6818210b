using System.Runtime.InteropServices;
using Kvant.Models.Formats;
using Kvant.Models.Gguf;
using Kvant.Numerics;

namespace Kvant.Evaluation.Speed;

/// <summary>Writes a model that has the shape of a real one and random weights: for its speed, what it says does not matter. llama.cpp reads it too.</summary>
internal static class RandomModel
{
    /// <summary>Writes the file.</summary>
    /// <param name="path">Where to.</param>
    /// <param name="speed">The shape.</param>
    public static void Save(string path, DecodeSpeed speed)
    {
        TensorFormat format = TensorFormat.Parse(speed.WeightFormat);
        int width = speed.Width, queries = checked(speed.KvHeads * speed.Group * speed.Dimension), keys = speed.KvHeads * speed.Dimension;
        foreach (int columns in (ReadOnlySpan<int>)[width, queries, speed.FeedForward])
        {
            if (columns % format.BlockLength != 0)
                throw new ArgumentException($"A matrix of {columns} columns cannot be stored as {format}; a multiple of {format.BlockLength} can.", nameof(speed));
        }

        var writer = new GgufWriter();
        writer.Add("general.architecture", "llama");
        writer.Add("tokenizer.ggml.model", "none");
        Count("vocab_size", speed.Vocabulary);
        Count("context_length", speed.Tokens);
        Count("embedding_length", width);
        Count("block_count", speed.Layers);
        Count("feed_forward_length", speed.FeedForward);
        Count("attention.head_count", speed.KvHeads * speed.Group);
        Count("attention.head_count_kv", speed.KvHeads);
        Count("attention.key_length", speed.Dimension);
        writer.Add("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        var random = new SeededRandom(1);
        Matrix("token_embd", width, speed.Vocabulary);
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

        // The sizes keep the layers' outputs near 1.
        void Matrix(string name, int columns, int rows)
        {
            byte[] bytes = new byte[checked(columns / format.BlockLength * rows * format.BlockBytes)];
            foreach (ref ulong bits in MemoryMarshal.Cast<byte, ulong>(bytes.AsSpan()))
                bits = random.NextBits();
            Scale(bytes, 1);
            float[] sample = new float[columns];
            format.Dequantize(bytes.AsSpan(0, columns / format.BlockLength * format.BlockBytes), sample);
            Scale(bytes, 1 / Math.Sqrt(sample.Sum(x => (double)x * x)));
            writer.AddTensor($"{name}.weight", format, bytes, columns, rows);
        }

        // Where a format has shifts, they put the middle of the codes at zero.
        void Scale(byte[] bytes, double scale)
        {
            for (int at = 0; at < bytes.Length; at += format.BlockBytes)
            {
                Span<byte> block = bytes.AsSpan(at, format.BlockBytes);
                switch (format.Name)
                {
                    case "Q6_K": Write(block[208..], scale); break;
                    case "Q4_1": WriteTwo(block, scale, -7.5 * scale); break;
                    case "Q5_1": WriteTwo(block, scale, -15.5 * scale); break;
                    case "Q4_K": WriteTwo(block, scale, 7.5 * scale); break;
                    case "Q5_K": WriteTwo(block, scale, 15.5 * scale); break;
                    default: Write(block, scale); break;
                }
            }
        }
    }

    private static void Write(Span<byte> block, double number) => BitConverter.TryWriteBytes(block, (Half)number);

    private static void WriteTwo(Span<byte> block, double scale, double shift)
    {
        Write(block, scale);
        Write(block[2..], shift);
    }
}
