using Kvant.Models.Decoding;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.Gguf;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Decoding;

/// <summary>What stretches positions. Logits of such models are compared in <see cref="DecoderTests"/>.</summary>
public sealed class RopeScalingTests
{
    // By llama.cpp's meaning of each key at its edge: what has no effect there has none here.
    [Fact]
    public void YarnOfNothingIsLinear()
    {
        using LanguageModel linear = Open("llama-scaled"), none = Open("llama-yarn", ("rope.scaling.factor", 4f), ("rope.scaling.yarn_ext_factor", 0f));
        Assert.Equal(linear.Turns.Speeds, none.Turns.Speeds);
        Assert.Equal(1, none.Turns.Magnitude);
        using LanguageModel plain = Open("llama-yarn", ("rope.scaling.type", "none")), one = Open("llama-yarn", ("rope.scaling.factor", 1f), ("rope.scaling.yarn_ext_factor", -1f));
        Assert.Equal(plain.Turns.Speeds, one.Turns.Speeds);
        Assert.Equal(1, one.Turns.Magnitude);
    }

    [Fact]
    public void FastPairsKeepTheirSpeedAndSlowOnesAreDivided()
    {
        using LanguageModel plain = Open("qwen3"), model = Open("qwen3-yarn", ("rope.scaling.yarn_ext_factor", null), ("rope.scaling.attn_factor", null));
        Assert.Equal(plain.Turns.Speeds[0], model.Turns.Speeds[0]);
        Assert.Equal(plain.Turns.Speeds[^1] / 4, model.Turns.Speeds[^1], 1e-15);
        Assert.Equal(1 + (0.1 * Math.Log(4)), model.Turns.Magnitude, 1e-6);
    }

    [Fact]
    public void CodecsOfACacheKnowTheSpeeds()
    {
        foreach (string name in TinyModels.All.Keys)
        {
            using LanguageModel model = Open(name);
            double[] speeds = model.CacheGeometry.Rotary!.Speeds(model.Config.HeadDimension);
            for (int i = 0; i < speeds.Length; i++) Assert.Equal(model.Turns.Speeds[i], speeds[i], 1e-6);
        }
    }

    [Fact]
    public void TheContextChoosesAmongFactors()
    {
        using TemporaryFolder folder = new();
        TinyModels.Write(folder.File("model"), "phi3-long");
        using LanguageModel all = LanguageModel.Open(folder.File("model")), more = LanguageModel.Open(folder.File("model"), 100_000);
        using LanguageModel @short = LanguageModel.Open(folder.File("model"), context: 256), @long = LanguageModel.Open(folder.File("model"), context: 257);
        Assert.Equal("rope of 12 of 16 as halves, base 1000000, divisor 1, long factors of the file, magnitude 1.19", all.Identity.Positions);
        Assert.Equal("rope of 12 of 16 as halves, base 1000000, divisor 1, short factors of the file, magnitude 1.19", @short.Identity.Positions);
        Assert.Equal((all.Identity, all.Identity), (more.Identity, @long.Identity));
        Assert.Equal((512, 512, 256, 257), (all.Config.ContextLength, more.Config.ContextLength, @short.Config.ContextLength, @long.Config.ContextLength));
        Assert.Throws<ArgumentOutOfRangeException>(() => LanguageModel.Open(folder.File("model"), 0));
        using Decoder decoder = new(@short, new ExactAttention(@short.Config, 257));
        Assert.Contains("context of 256", Assert.Throws<InvalidOperationException>(() => decoder.Read(new int[257])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatLongRopeCannotMeanIsRefused()
    {
        RefusedOf("phi3-long", "factor' holds 4 where 1, as LongRoPE has it,", ("rope.scaling.type", "longrope"), ("rope.scaling.factor", 4f));
        RefusedOf("phi3-long", "dimension_count' holds 11 where the dimension of the heads, 16, or an even part of it", ("rope.dimension_count", 11u));
        RefusedOf("phi3-long", "dimension_count' holds 18 where", ("rope.dimension_count", 18u));
        RefusedOf("phi3-long", "dimension_count' holds 0 where", ("rope.dimension_count", 0u));
        RefusedOf("phi3-long", "is not what the model's sizes ask for: F32 [5]", ("rope.dimension_count", 10u));
        using LanguageModel same = Open("phi3-long", ("rope.scaling.type", "longrope")), plain = Open("phi3-long");
        Assert.Equal(plain.Identity.Positions, same.Identity.Positions);
    }

    [Fact]
    public void WhatStretchesPositionsTellsCachesApart()
    {
        (string, object?)[][] changes =
        [
            [], [("rope.scaling.factor", 3f)], [("rope.scaling.original_context_length", 64u)], [("rope.scaling.attn_factor", 2f)], [("rope.scaling.yarn_beta_fast", 4f)],
            [("rope.scaling.yarn_beta_slow", 4f)], [("rope.scaling.yarn_ext_factor", 0.5f)],
            [("rope.scaling.type", "linear"), ("rope.scaling.yarn_ext_factor", null)],
            [("rope.scaling.type", "none"), ("rope.scaling.yarn_ext_factor", null)],
        ];
        List<string> positions = [];
        foreach ((string, object?)[] change in changes)
        {
            using LanguageModel model = Open("qwen3-yarn", change);
            positions.Add(model.Identity.Positions!);
        }
        Assert.Equal(changes.Length, positions.Distinct().Count());
        Assert.Equal("rope of 32 as halves, base 1000000, divisor 4, yarn of 128 from 12 to 2 turns by 0.75, magnitude 1.0247664", positions[0]);
    }

    [Fact]
    public void WhatYarnCannotMeanIsRefused()
    {
        Refused("yarn_ext_factor' holds 1.5 where a number up to 1", ("rope.scaling.yarn_ext_factor", 1.5f));
        Refused("yarn_log_multiplier' holds 0.1 where 0", ("rope.scaling.yarn_log_multiplier", 0.1f));
        Refused("yarn_attn_factor' holds 1 where 1.20", ("rope.scaling.yarn_attn_factor", 1f));
        Refused("yarn_beta_fast' holds 0 where a number above 0", ("rope.scaling.yarn_beta_fast", 0f));
        Refused("yarn_beta_slow' holds -1 where a number above 0", ("rope.scaling.yarn_beta_slow", -1f));
        Refused("factor' holds -8 where a number above 0", ("rope.scaling.factor", -8f));
        Refused("freq_base' holds 1 where a number above 1", ("rope.freq_base", 1f));
        Refused("attn_factor' holds 0 where a number above 0", ("rope.scaling.attn_factor", 0f));
        Refused("'llama.rope.scaling.type' holds 'longrope' where one of 'none', 'linear', 'yarn'", ("rope.scaling.type", "longrope"));
        using LanguageModel same = Open("llama-yarn", ("rope.scaling.yarn_attn_factor", 1.2079442f));
        Assert.Equal(1.2079442, same.Turns.Magnitude, 1e-6);
    }

    private static void Refused(string says, (string Key, object? Value) change) => RefusedOf("llama-yarn", says, change);

    private static void RefusedOf(string name, string says, params (string Key, object? Value)[] changes) =>
        Assert.Contains(says, Assert.Throws<InvalidDataException>(() => Open(name, changes).Dispose()).Message, StringComparison.Ordinal);

    private static LanguageModel Open(string name, params (string Key, object? Value)[] changes)
    {
        using TemporaryFolder folder = new();
        TinyModels.Write(folder.File("plain"), name);
        using GgufFile file = GgufFile.Open(folder.File("plain"));
        GgufEdit.Copy(file, [.. changes.Select(c => ($"{name.Split('-')[0]}.{c.Key}", c.Value))]).Save(folder.File("changed"));
        return LanguageModel.Open(folder.File("changed"));
    }
}
