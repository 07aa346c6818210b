using System.Numerics.Tensors;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Attention;

namespace Kvant.Tests.Codecs;

/// <summary>A codec that Kvant does not know, made from what is public: it enters caches and files once it is registered.</summary>
public sealed class RegisteredCodecTests
{
    [Fact]
    public void CodecOfAStrangersLivesInACache()
    {
        CodecCatalog.Register(Coarse.Method);
        CodecCatalog.Register(Coarse.Method); // twice is fine
        Assert.Same(Coarse.Method, Assert.Single(CodecCatalog.Registered, m => m.Name == "test-coarse"));
        Assert.DoesNotContain(Coarse.Method, CodecCatalog.Methods);
        Assert.Equal("test-coarse:steps=7", CodecSpec.Parse("test-coarse:steps=7").ToString());

        using var cache = new KvCache(AttentionCases.Options(AttentionCases.Geometry(group: 3), "test-coarse:steps=7", "test-coarse"));
        AttentionCases.Append(cache, 300, seed: 1);
        AttentionCases.AssertDecode(cache, new AttentionSettings { Arithmetic = Arithmetic.Exact }, "coarse");
        byte[] frozen = cache.Freeze();
        using KvCache thawed = KvCache.Thaw(frozen);
        Assert.Equal(frozen, thawed.Freeze());
        Assert.Equal(1, thawed.Statistics.CompressionRatio, 0.6); // a byte a number, and a window
    }

    [Fact]
    public void FileOfAMethodThatNobodyRegisteredNamesIt()
    {
        CodecCatalog.Register(Coarse.Method);
        using var cache = new KvCache(AttentionCases.Options(AttentionCases.Geometry(), "test-coarse"));
        AttentionCases.Append(cache, 100, seed: 1);
        byte[] frozen = cache.Freeze();
        // The same bytes where the name is another's: the header's checksum is not what is wrong first.
        Assert.Contains("test-nobody", Assert.Throws<FormatException>(() => CodecSpec.Parse("test-nobody:steps=7")).Message, StringComparison.Ordinal);
        frozen.AsSpan().Slice(frozen.AsSpan().IndexOf("test-coarse"u8), 11)[5..].Fill((byte)'x');
        Assert.Throws<InvalidDataException>(() => KvCache.Thaw(frozen));
    }

    [Fact]
    public void NamesAreTakenOnce()
    {
        Assert.Contains("already", Assert.Throws<ArgumentException>(() => CodecCatalog.Register(new("q8", "another", [], (_, d, _) => new Coarse(d, 3)))).Message, StringComparison.Ordinal);
        CodecCatalog.Register(Coarse.Method);
        Assert.Throws<ArgumentException>(() => CodecCatalog.Register(new("test-coarse", "another", [], (_, d, _) => new Coarse(d, 3))));
        foreach (string name in (string[])["", "Q8", "1x", "a b", "a:b", "a,b", "ä"])
            Assert.Throws<ArgumentException>(() => new CodecMethod(name, "", [], (_, d, _) => new Coarse(d, 3)));
        Assert.Throws<ArgumentException>(() => new CodecMethod("twice", "", [CodecSetting.Number("a", 1, 1, 2, ""), CodecSetting.Choice("a", "x", ["x"], "")], (_, d, _) => new Coarse(d, 3)));
    }

    [Fact]
    public void MethodThatMakesSomethingElseIsFoundOut()
    {
        var wrong = new CodecMethod("test-wrong", "rows of another length", [], (_, d, _) => new Coarse(d + 1, 3));
        CodecCatalog.Register(wrong);
        Assert.Contains("test-wrong", Assert.Throws<InvalidOperationException>(() => CodecSpec.Parse("test-wrong").CreateCodec(64)).Message, StringComparison.Ordinal);
    }

    // Numbers become multiples of a row's largest over some steps.
    private sealed class Coarse(int dimension, int steps) : Codec(dimension, rowsPerBlock: 1, bytesPerBlock: sizeof(float) + dimension)
    {
        public static CodecMethod Method { get; } = new(
            "test-coarse", "integers of a few steps", [CodecSetting.Number("steps", 15, 1, 127, "from 0 to the largest number of a row")],
            (spec, dimension, _) => new Coarse(dimension, int.Parse(spec["steps"], System.Globalization.CultureInfo.InvariantCulture)));

        public override int ScaleBytesPerBlock => sizeof(float);

        protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
        {
            float scale = MathF.Abs(TensorPrimitives.MaxMagnitude(rows)) / steps;
            BitConverter.TryWriteBytes(block, scale);
            for (int i = 0; i < Dimension; i++)
                block[sizeof(float) + i] = (byte)(sbyte)(scale == 0 ? 0 : MathF.Round(rows[i] / scale));
        }

        protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
        {
            float scale = BitConverter.ToSingle(block);
            for (int i = 0; i < Dimension; i++)
                rows[i] = scale * (sbyte)block[sizeof(float) + i];
        }
    }
}
