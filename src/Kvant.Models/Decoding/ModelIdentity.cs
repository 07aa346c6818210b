using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Kvant.Caching;
using Kvant.Models.Gguf;

namespace Kvant.Models.Decoding;

/// <summary>
/// What the keys and values of a model belong to. The hash covers every byte of the weights: a sample would take a model of which a few rows were
/// changed for the one that it was made from. Names, formats, shapes and sizes are in it, the order of tensors and the parts of a split file are not.
/// </summary>
internal static class ModelIdentity
{
    private const int Piece = 1 << 24;

    internal static CacheIdentity Of(LanguageModel model) => new() { Weights = Hash(model), Positions = model.WindowTurns is { } windows ? $"{model.Turns.Text}; in windowed layers, of period {model.Config.WindowPeriod}, {windows.Text}" : model.Turns.Text };

    private static string Hash(LanguageModel model)
    {
        GgufFile file = model.File;
        GgufTensor[] tensors = [.. file.Tensors.OrderBy(static t => t.Name, StringComparer.Ordinal)];
        byte[][] digests = new byte[tensors.Length][];
        Parallel.For(0, tensors.Length, i => digests[i] = Digest(file, tensors[i]));
        ModelConfig c = model.Config;
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(string.Create(CultureInfo.InvariantCulture, $"{c.Architecture} {c.Layers} {c.Width} {c.QueryHeads} {c.KeyValueHeads} {c.HeadDimension} {c.FeedForward} {c.Epsilon:R}{(c.Experts == 0 ? "" : $" {c.ExpertsUsed} of {c.Experts}")}"));
        for (int i = 0; i < tensors.Length; i++) Add($"{tensors[i]} {Convert.ToHexStringLower(digests[i])}");
        return "sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset());

        void Add(string line) => hash.AppendData(Encoding.UTF8.GetBytes(line + "\n"));
    }

    private static byte[] Digest(GgufFile file, GgufTensor tensor)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long offset = 0; offset < tensor.ByteLength; offset += Piece)
            hash.AppendData(file.Bytes(tensor, offset, (int)Math.Min(Piece, tensor.ByteLength - offset)));
        return hash.GetHashAndReset();
    }
}
