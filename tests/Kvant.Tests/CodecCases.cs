using System.Collections.Concurrent;
using Kvant.Codecs;
using Kvant.Tests.Codecs;

namespace Kvant.Tests;

/// <summary>Walks the catalogue and a method beside it: the interesting specs of every method, and codecs that are ready to encode.</summary>
internal static class CodecCases
{
    private static readonly ConcurrentDictionary<(string, int, CodecRole), Codec?> s_codecs = new();
    private static readonly ConcurrentDictionary<(string, int, CodecRole), bool> s_alike = new();

    /// <summary>The head dimensions that every law is checked at.</summary>
    public static int[] Dimensions { get; } = [32, 64, 80, 96, 112, 128, 256];

    /// <summary>The methods that every law walks: those that ship, and one that is registered.</summary>
    public static IReadOnlyList<CodecMethod> Known { get; } = [.. CodecCatalog.Methods, Registered(CoarseCodec.Method)];

    public static CodecRole[] Roles { get; } = [CodecRole.Rows, CodecRole.Keys, CodecRole.Values, CodecRole.KeyTiles, CodecRole.ValueTiles];

    /// <summary>The names of all methods.</summary>
    public static TheoryData<string> Methods => [.. Known.Select(m => m.Name)];

    /// <summary>Of every method the defaults, and each value of each setting with the other settings at their defaults; the trellis code also at fewer bits, each of which has kernels of its own.</summary>
    public static TheoryData<string> Specs => [.. Known.SelectMany(SpecsOf)];

    /// <summary>Those of <see cref="Specs"/> that take rows of 128 numbers.</summary>
    public static TheoryData<string> SpecsOfDimension128 => [.. Known.SelectMany(SpecsOf).Where(s => TryCreate(s, 128, CodecRole.Rows) is not null)];

    /// <summary>The names of the methods that have a number of bits.</summary>
    public static TheoryData<string> MethodsWithBits => [.. Known.Where(m => m.Settings.Any(s => s.Name == "bits")).Select(m => m.Name)];

    public static IEnumerable<string> SpecsOf(CodecMethod method)
    {
        string[] changed = [.. method.Settings.SelectMany(s => ValuesOf(s).Where(v => v != s.Default).Select(v => $"{method.Name}:{Needed(s)}{s.Name}={v}"))];
        string[] together = [.. changed.Where(s => s.EndsWith("code=trellis", StringComparison.Ordinal)).SelectMany(s => (int[])[1, 2, 3], (s, bits) => $"{s},bits={bits}")];
        string[] centered = [.. together.Where(s => s.EndsWith("bits=3", StringComparison.Ordinal)).Select(s => $"{s},mean=64,meanbits=8")];
        return [method.Name, .. changed, .. together, .. centered];
    }

    // What gives a setting a meaning: the bits of a mean are of no interest without a mean.
    private static string Needed(CodecSetting setting) => setting.Name == "meanbits" ? "mean=32," : "";

    /// <summary>All choices of a setting; of a short range all numbers, of a long one the ends and one between.</summary>
    public static IEnumerable<string> ValuesOf(CodecSetting setting)
    {
        if (setting.Choices.Count > 0)
            return setting.Choices;
        string[] ends = setting.Allowed.Split("..");
        long minimum = long.Parse(ends[0]);
        long maximum = ends[1].Length > 0 ? long.Parse(ends[1]) : long.MaxValue;
        long[] values = maximum - minimum < 8 ? [.. Enumerable.Range(0, (int)(maximum - minimum) + 1).Select(i => minimum + i)]
            : [minimum, minimum + 7, maximum];
        return values.Select(v => v.ToString());
    }

    /// <summary>The codec of a spec, calibrated if it needs that; null where the method does not take the dimension. Shared: codecs do not change.</summary>
    public static Codec? TryCreate(string spec, int dimension, CodecRole role) =>
        s_codecs.GetOrAdd((spec, dimension, role), static key =>
        {
            try
            {
                Codec codec = CodecSpec.Parse(key.Item1).CreateCodec(key.Item2, key.Item3);
                return codec.Calibrate(CalibrationRows(codec));
            }
            catch (ArgumentException)
            {
                return null; // RefusalLaws checks that such a refusal names what the method takes.
            }
        });

    public static Codec Create(string spec, int dimension, CodecRole role = CodecRole.Rows)
    {
        Codec? codec = TryCreate(spec, dimension, role);
        Assert.True(codec is not null, $"{spec} does not take dimension {dimension}.");
        return codec;
    }

    /// <summary>Every codec of a spec over the dimensions that it takes and the roles.</summary>
    public static IEnumerable<(Codec Codec, string Name)> All(string spec)
    {
        foreach (int dimension in Dimensions)
        {
            foreach (CodecRole role in Roles)
            {
                if (TryCreate(spec, dimension, role) is { } codec && !IsLikeAnother(spec, dimension, role))
                    yield return (codec, $"{spec}, dimension {dimension}, {role}");
            }
        }
    }

    /// <summary>Whether a codec for tiles is that of keys or values again: methods without tiles give that.</summary>
    public static bool IsLikeAnother(string spec, int dimension, CodecRole role) =>
        role is CodecRole.KeyTiles or CodecRole.ValueTiles && s_alike.GetOrAdd((spec, dimension, role), static key =>
        {
            Codec tiles = Create(key.Item1, key.Item2, key.Item3), plain = Create(key.Item1, key.Item2, key.Item3 == CodecRole.KeyTiles ? CodecRole.Keys : CodecRole.Values);
            if (tiles.RowsPerBlock != plain.RowsPerBlock)
                return false;
            float[] rows = TestRows.Gaussian(plain.RowsPerBlock, key.Item2, seed: 33);
            return Encode(tiles, rows).AsSpan().SequenceEqual(Encode(plain, rows));
        });

    public static byte[] Encode(Codec codec, ReadOnlySpan<float> rows)
    {
        var blocks = new byte[rows.Length / (codec.RowsPerBlock * codec.Dimension) * codec.BytesPerBlock];
        codec.Encode(rows, blocks);
        return blocks;
    }

    public static float[] Decode(Codec codec, ReadOnlySpan<byte> blocks)
    {
        var rows = new float[blocks.Length / codec.BytesPerBlock * codec.RowsPerBlock * codec.Dimension];
        codec.Decode(blocks, rows);
        return rows;
    }

    public static float[] RoundTrip(Codec codec, ReadOnlySpan<float> rows) => Decode(codec, Encode(codec, rows));

    private static CodecMethod Registered(CodecMethod method)
    {
        CodecCatalog.Register(method);
        return method;
    }

    // A few loud channels, so that a choice by energy has something to choose.
    private static float[] CalibrationRows(Codec codec)
    {
        float[] rows = TestRows.Gaussian(codec.CalibrationRows, codec.Dimension, seed: 31);
        for (int i = 0; i < rows.Length; i++)
            rows[i] *= i % codec.Dimension % 5 == 1 ? 3 : 1;
        return rows;
    }
}
