using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;

namespace Kvant.Models.Tests.Decoding;

public sealed class RecordingAttentionTests
{
    [Fact]
    public void RecordedRowsAreThoseOfTheCache()
    {
        using LanguageModel model = LanguageModel.Open(Goldens.Model("mini.gguf"));
        ModelConfig config = model.Config;
        int[] prompt = LogitGolden.Read("mini").Prompt;
        CodecSpec fp32 = CodecSpec.Parse("fp32");
        using KvCache cache = new(new KvCacheOptions { Geometry = model.CacheGeometry, Policy = LayerPolicy.Uniform(config.Layers, fp32, fp32) });
        using CompressedAttention inner = new(cache);
        RecordingAttention recording = new(inner, config.Layers);
        using Decoder decoder = new(model, recording, new DecoderOptions { Batch = 7 });
        float[] logits = new float[model.VocabularySize];
        decoder.Forward(prompt, logits);
        decoder.Forward([1], logits);

        int tokens = prompt.Length + 1, heads = config.KeyValueHeads, dimension = config.HeadDimension;
        float[] keys = new float[tokens * dimension], values = new float[keys.Length];
        for (int layer = 0; layer < config.Layers; layer++)
        {
            Assert.Equal(tokens * config.QueryHeads * dimension, recording.Queries(layer).Length);
            Assert.Equal(tokens * heads * dimension, recording.Keys(layer).Length);
            for (int head = 0; head < heads; head++)
            {
                cache.Decode(layer, head, 0, tokens, keys, values);
                for (int token = 0; token < tokens; token++)
                {
                    int row = ((token * heads) + head) * dimension;
                    Assert.Equal(keys.AsSpan(token * dimension, dimension), recording.Keys(layer).Slice(row, dimension));
                    Assert.Equal(values.AsSpan(token * dimension, dimension), recording.Values(layer).Slice(row, dimension));
                }
            }
        }

        recording.Clear();
        Assert.Equal(0, recording.Keys(config.Layers - 1).Length);
    }

    [Fact]
    public void TokensThatAttentionRefusesAreNotRecorded()
    {
        RecordingAttention recording = new(new RefusingAttention(), 2);
        Assert.Throws<InvalidOperationException>(() => recording.Attend(0, [1], [2], [3], new float[1]));
        Assert.Equal(0, recording.Queries(0).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => recording.Keys(2).Length);
    }

    private sealed class RefusingAttention : IAttention
    {
        public int Length => 0;

        public long Changes => 0;

        public void Require(LanguageModel model) => throw new InvalidOperationException();

        public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs) =>
            throw new InvalidOperationException();
    }
}
