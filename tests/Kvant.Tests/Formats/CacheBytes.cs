using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Kernels;

namespace Kvant.Tests.Formats;

/// <summary>Cache files that no cache wrote, with right checksums.</summary>
internal static class CacheBytes
{
    /// <summary>A file whose header says something and whose rows are all the same byte, whatever that means.</summary>
    internal static byte[] Build(KvCacheOptions options, LayerExtent[] extents, byte content = 0)
    {
        var header = new CacheHeader(options, LayerLayouts.Create(options), extents);
        using var stream = new MemoryStream();
        header.Write(new ChecksummedWriter(stream));
        byte[] bytes = new byte[header.FileBytes];
        bytes.AsSpan((int)stream.Length).Fill(content);
        stream.ToArray().CopyTo(bytes, 0);
        return Seal(bytes);
    }

    internal static KvCacheOptions Options(int heads, int dimension, int window, string keys, string values, int layers = 1, int sinks = 0, Eviction? eviction = null) => new()
    {
        Geometry = new() { Layers = layers, KvHeads = heads, KeyDimension = dimension, ValueDimension = dimension },
        Policy = LayerPolicy.Uniform(layers, CodecSpec.Parse(keys), CodecSpec.Parse(values)),
        Sinks = sinks,
        Window = window,
        Eviction = eviction ?? Eviction.None,
    };

    /// <summary>Replaces text of the header; the length in front and all checksums become right.</summary>
    internal static byte[] Edit(byte[] bytes, string old, string replacement)
    {
        int length = BitConverter.ToInt32(bytes);
        string header = Encoding.UTF8.GetString(bytes, 8, length);
        Assert.Contains(old, header, StringComparison.Ordinal);
        return Seal(SafetensorsSamples.Build(Encoding.UTF8.GetBytes(header.Replace(old, replacement, StringComparison.Ordinal)), bytes[(8 + length)..]));
    }

    /// <summary>Makes the checksums right, as far as the header can be read: each covers what lies between it and the one before.</summary>
    internal static byte[] Seal(byte[] bytes)
    {
        bytes = [.. bytes];
        int end = 0;
        foreach ((_, int start, int length) in Tensors(bytes).Where(t => t.Name.EndsWith("crc32c", StringComparison.Ordinal)))
        {
            if (length < 4 || start < end || start + length > bytes.Length)
                return bytes;
            bytes.AsSpan(start, length).Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(start), Crc32C.Compute(bytes.AsSpan(end..start)));
            end = start + length;
        }

        return bytes;
    }

    /// <summary>Where the tensors lie in the file, in order; nothing if the header cannot be read.</summary>
    internal static List<(string Name, int Start, int Length)> Tensors(byte[] bytes)
    {
        List<(string, int, int)> tensors = [];
        try
        {
            int length = checked((int)BitConverter.ToInt64(bytes));
            using var json = JsonDocument.Parse(bytes.AsMemory(8, length));
            foreach (JsonProperty tensor in json.RootElement.EnumerateObject().Where(t => t.Name != "__metadata__"))
            {
                int begin = tensor.Value.GetProperty("data_offsets")[0].GetInt32(), end = tensor.Value.GetProperty("data_offsets")[1].GetInt32();
                tensors.Add((tensor.Name, checked(8 + length + begin), checked(end - begin)));
            }
        }
        catch (Exception e) when (e is JsonException or OverflowException or ArgumentException or InvalidOperationException or KeyNotFoundException or FormatException or IndexOutOfRangeException)
        {
            tensors.Clear();
        }

        return tensors;
    }
}
