using System.Runtime.CompilerServices;
using Kvant.Codecs;

namespace Kvant.Tests.Laws;

/// <summary>The laws that hold for any settings together, on random combinations; the failure message carries spec and seed.</summary>
public sealed class CombinationLaws
{
    private const int Combinations = 150;

    [Fact]
    public void AnySettingsTogetherKeepTheSpec() => ForAllSpecs((spec, _) =>
    {
        CodecSpec parsed = CodecSpec.Parse(spec);
        return parsed.Equals(CodecSpec.Parse(parsed.ToString())) && parsed.Equals(CodecSpec.Parse(parsed.FullText));
    });

    [Fact]
    public void AnySettingsTogetherScoreWhatTheyDecode() => ForAllCodecs((codec, seed) =>
    {
        int dimension = codec.Dimension, rows = 2 * codec.RowsPerBlock;
        byte[] blocks = CodecCases.Encode(codec, TestRows.Gaussian(rows, dimension, seed));
        float[] decoded = CodecCases.Decode(codec, blocks), query = TestRows.Gaussian(1, dimension, seed + 1), scores = new float[rows];
        PreparedQueries prepared = codec.CreatePreparedQueries(1);
        codec.Prepare(query, prepared);
        codec.Score(prepared, blocks, scores);
        return Enumerable.Range(0, rows).All(r =>
        {
            ReadOnlySpan<float> row = decoded.AsSpan(r * dimension, dimension);
            return Math.Abs(scores[r] - Measure.Dot(query, row)) <= Tolerances.Attention * Measure.Norm(query) * Measure.Norm(row);
        });
    });

    [Fact]
    public void AnySettingsTogetherEncodeBlockByBlock() => ForAllCodecs((codec, seed) =>
    {
        int floats = codec.RowsPerBlock * codec.Dimension;
        float[] rows = TestRows.Gaussian(2 * codec.RowsPerBlock, codec.Dimension, seed);
        byte[] atOnce = CodecCases.Encode(codec, rows);
        return atOnce.AsSpan(0, codec.BytesPerBlock).SequenceEqual(CodecCases.Encode(codec, rows.AsSpan(0, floats)))
            && atOnce.AsSpan(codec.BytesPerBlock).SequenceEqual(CodecCases.Encode(codec, rows.AsSpan(floats)));
    });

    private static void ForAllCodecs(Func<Codec, int, bool> law, [CallerMemberName] string name = "")
    {
        int all = 0, refused = 0;
        ForAllSpecs((spec, seed) =>
        {
            all++;
            if (RandomCodec(spec, seed) is { } codec)
                return law(codec, seed);
            refused++;
            return true;
        }, name);

        // A law that is hardly ever asked says nothing. Some dimensions are refused by the methods and rotations in blocks of 32, and by groups and channels that do not fit.
        Assert.True(refused < all / 3, $"{refused} of {all} combinations were refused.");
    }

    private static void ForAllSpecs(Func<string, int, bool> law, [CallerMemberName] string name = "") => Fresh.Each(name, Combinations, seed =>
    {
        string spec = RandomSpec(seed);
        Assert.True(law(spec, seed), spec);
    });

    private static string RandomSpec(int seed)
    {
        var random = new Random(seed);
        CodecMethod method = CodecCases.Known[random.Next(CodecCases.Known.Count)];
        IEnumerable<string> settings = method.Settings.Where(_ => random.Next(2) == 0).Select(s =>
        {
            string[] values = [.. CodecCases.ValuesOf(s)];
            return $"{s.Name}={values[random.Next(values.Length)]}";
        });
        string text = string.Join(',', settings);
        return text.Length == 0 ? method.Name : $"{method.Name}:{text}";
    }

    private static Codec? RandomCodec(string spec, int seed)
    {
        var random = new Random(~seed);
        return CodecCases.TryCreate(spec, CodecCases.Dimensions[random.Next(CodecCases.Dimensions.Length)], CodecCases.Roles[random.Next(CodecCases.Roles.Length)]);
    }
}
