using Kvant.Models.Decoding;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.Gguf;
using Kvant.Models.Tests.Reference;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Decoding;

/// <summary>Feed-forward parts that a router chooses. Logits of such a model are compared with llama.cpp's in <see cref="DecoderTests"/>.</summary>
public sealed class ExpertTests
{
    [Fact]
    public void EveryNumberOfExpertsIsMixedAsInDoublePrecision()
    {
        int[] text = [3, 1, 41, 59, 26];
        for (uint used = 1; used <= 6; used++)
        {
            using LanguageModel model = Open(("expert_used_count", used), ("expert_feed_forward_length", 96u));
            double[] wanted = new ReferenceDecoder(model.File).Logits(text);
            float[] found = new float[wanted.Length];
            using Decoder decoder = new(model, new ExactAttention(model.Config, text.Length), new DecoderOptions { Threads = 2 });
            decoder.Forward(text, found);
            double norm = Math.Sqrt(wanted.Sum(x => x * x)), error = Math.Sqrt(wanted.Zip(found, (a, b) => (a - b) * (a - b)).Sum());
            Assert.InRange(error, 0, norm * Tolerances.Batch);
        }
    }

    [Fact]
    public void TheSizeOfAnExpertIsItsOwnOrAShareOfTheWhole()
    {
        using LanguageModel share = Open(), own = Open(("expert_feed_forward_length", 96u), ("feed_forward_length", 7u)), zero = Open(("expert_feed_forward_length", 0u));
        Assert.Equal((96, 96, 96), (share.Config.FeedForward, own.Config.FeedForward, zero.Config.FeedForward));
        Assert.Equal((6, 2), (own.Config.Experts, own.Config.ExpertsUsed));
    }

    [Fact]
    public void HowManyAreUsedTellsCachesApart()
    {
        using LanguageModel two = Open(), three = Open(("expert_used_count", 3u), ("expert_feed_forward_length", 96u));
        Assert.NotEqual(two.Identity.Weights, three.Identity.Weights);
    }

    [Fact]
    public void AStepAllocatesNothing()
    {
        using LanguageModel model = Open();
        using Decoder decoder = new(model, new ExactAttention(model.Config, 64));
        float[] logits = new float[model.VocabularySize];
        decoder.Forward([1, 2, 3], logits);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++) decoder.Forward([i], logits);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void ExpertsThatDoNotFitAreRefusedByName()
    {
        Refused("expert_used_count' holds 7 where a number up to the 6 experts", ("expert_used_count", 7u));
        Refused("expert_used_count' holds 0 where a number above 0", ("expert_used_count", 0u));
        Refused("expert_count' holds 0 where a number above 0", ("expert_count", 0u), ("expert_used_count", 0u));
        Refused("'qwen3moe.expert_count' is missing", ("expert_count", null));
        Refused("blk.0.ffn_gate_inp.weight", ("expert_count", 5u));
        Refused("has another shape than the model's sizes ask for: [64, 95, 6]", ("expert_feed_forward_length", 95u));
        Refused("feed_forward_length' holds 1 where at least 1 for each of the 2", ("feed_forward_length", 1u));
        Refused("expert_shared_count' holds 1 where 0", ("expert_shared_count", 1u));
        Refused("expert_group_count' holds 2 where 0", ("expert_group_count", 2u));
        Refused("expert_weights_norm' holds no where 1", ("expert_weights_norm", false));
        Refused("expert_weights_scale' holds 2.5 where 0 or 1", ("expert_weights_scale", 2.5f));
        Refused("expert_gating_func' holds 2 where 0 or 1", ("expert_gating_func", 2u));
        Assert.Contains("'blk.1.ffn_up_exps.weight' is missing", Assert.Throws<InvalidDataException>(() => Open("blk.1.ffn_up_exps.weight").Dispose()).Message, StringComparison.Ordinal);
    }

    private static void Refused(string says, params (string Key, object? Value)[] changes) =>
        Assert.Contains(says, Assert.Throws<InvalidDataException>(() => Open(changes).Dispose()).Message, StringComparison.Ordinal);

    private static LanguageModel Open(params (string Key, object? Value)[] changes) => Open(null, changes);

    private static LanguageModel Open(string? without, params (string Key, object? Value)[] changes)
    {
        using TemporaryFolder folder = new();
        TinyModels.Write(folder.File("plain"), "qwen3moe");
        using GgufFile file = GgufFile.Open(folder.File("plain"));
        GgufEdit.Copy(file, [.. changes.Select(c => ($"qwen3moe.{c.Key}", c.Value))], tensor => tensor.Name != without).Save(folder.File("changed"));
        return LanguageModel.Open(folder.File("changed"));
    }
}
