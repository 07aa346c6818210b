using FsCheck;
using FsCheck.Fluent;
using Kvant.Codecs;

namespace Kvant.Tests.Laws;

/// <summary>The laws that hold for any settings together, on random combinations; the failure message carries spec and seed.</summary>
public sealed class CombinationLaws
{
    private static readonly Config s_config = Config.QuickThrowOnFailure.WithMaxTest(150).WithQuietOnSuccess(true).WithReplay(20260, 7);

    [Fact]
    public void AnySettingsTogetherKeepTheSpec() => ForAll((spec, _) =>
    {
        CodecSpec parsed = CodecSpec.Parse(spec);
        return parsed.Equals(CodecSpec.Parse(parsed.ToString())) && parsed.Equals(CodecSpec.Parse(parsed.FullText));
    });

    [Fact]
    public void AnySettingsTogetherScoreWhatTheyDecode() => ForAll((spec, seed) =>
    {
        Codec? codec = RandomCodec(spec, seed);
        if (codec is null)
            return true;
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
    public void AnySettingsTogetherEncodeBlockByBlock() => ForAll((spec, seed) =>
    {
        Codec? codec = RandomCodec(spec, seed);
        if (codec is null)
            return true;
        int floats = codec.RowsPerBlock * codec.Dimension;
        float[] rows = TestRows.Gaussian(2 * codec.RowsPerBlock, codec.Dimension, seed);
        byte[] atOnce = CodecCases.Encode(codec, rows);
        return atOnce.AsSpan(0, codec.BytesPerBlock).SequenceEqual(CodecCases.Encode(codec, rows.AsSpan(0, floats)))
            && atOnce.AsSpan(codec.BytesPerBlock).SequenceEqual(CodecCases.Encode(codec, rows.AsSpan(floats)));
    });

    private static void ForAll(Func<string, int, bool> law) =>
        Check.One(s_config, Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
        {
            string spec = RandomSpec(seed);
            return law(spec, seed).Label($"{spec}, seed {seed}");
        }));

    private static string RandomSpec(int seed)
    {
        var random = new Random(seed);
        CodecMethod method = CodecCatalog.Methods[random.Next(CodecCatalog.Methods.Count)];
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
        return CodecCases.TryCreate(spec, CodecCases.Dimensions[random.Next(6)], CodecCases.Roles[random.Next(3)]);
    }
}
