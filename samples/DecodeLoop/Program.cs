// A decode loop of one's own: a model reads a prompt, then writes token by token, its cache compressed.
using Kvant.Caching;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

using LanguageModel model = LanguageModel.Open(Path.Combine(AppContext.BaseDirectory, "mini.gguf"));
Tokenizer tokenizer = Tokenizer.Read(model.File);
int[] prompt = tokenizer.Encode(args.Length > 0 ? string.Join(' ', args) : "The old house stood at the end of the road, and");

string exact = Write("fp32", out _), compressed = Write("balanced", out CacheStatistics memory);
Console.WriteLine(exact);
int same = exact.Zip(compressed).TakeWhile(pair => pair.First == pair.Second).Count();
Console.WriteLine($"With `balanced` the first {same} of {exact.Length} characters are the same, from {memory.TotalBytes:N0} bytes of cache; in fp16 they would take {memory.Fp16Bytes:N0}.");
return same > prompt.Length ? 0 : 1;

string Write(string name, out CacheStatistics statistics)
{
    // A preset, or a codec in every layer. Window and sinks are not compressed: a short text would not be at all, so they are small here.
    KvCacheOptions options = CachePreset.Find(name) is not null
        ? KvCacheOptions.Preset(name, model.CacheGeometry)
        : model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, Kvant.Codecs.CodecSpec.Parse(name), Kvant.Codecs.CodecSpec.Parse(name)));
    using var cache = new KvCache(options with { Window = 32, Sinks = 4 });
    using var attention = new CompressedAttention(cache);
    using var decoder = new Decoder(model, attention);

    float[] logits = new float[model.VocabularySize];
    List<int> text = [.. prompt];
    decoder.Forward(prompt, logits);
    for (int i = 0; i < 200; i++)
    {
        // Greedy: the likeliest token. Sample here if you like.
        int next = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(logits);
        if (tokenizer.IsEnd(next))
            break;
        text.Add(next);
        decoder.Forward([next], logits);
    }

    statistics = cache.Statistics;
    return tokenizer.Decode([.. text]);
}
