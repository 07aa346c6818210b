// A decode loop of one's own: a model reads a prompt, then writes token by token, its cache compressed by methods that come with Kvant and by one that does not.
using System.Numerics.Tensors;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

CodecCatalog.Register(SixBits.Method); // from here on specs, caches and files name it like any other
using LanguageModel model = LanguageModel.Open(Path.Combine(AppContext.BaseDirectory, "mini.gguf"));
Tokenizer tokenizer = Tokenizer.Read(model.File);
int[] prompt = tokenizer.Encode(args.Length > 0 ? string.Join(' ', args) : "The old house stood at the end of the road, and");

// What attention over plain floats writes is what every cache is compared with.
List<int> plain = Write(new PlainAttention(model.CacheGeometry));
Console.WriteLine(tokenizer.Decode([.. prompt, .. plain]));
bool right = plain.Count > 0;
foreach ((string keys, string values) in (ReadOnlySpan<(string, string)>)[("fp32", "fp32"), ("balanced", "balanced"), ("sixbits", "sixbits"), ("q8", "sixbits")])
{
    // A preset, or codecs of keys and values. Window and sinks are not compressed: a short text would not be at all, so they are small here.
    LayerPolicy policy = CachePreset.Find(keys) is { } preset ? preset.ForLayers(model.Config.Layers)
        : LayerPolicy.Uniform(model.Config.Layers, CodecSpec.Parse(keys), CodecSpec.Parse(values));
    using var cache = new KvCache(model.CacheOptions(policy) with { Window = 32, Sinks = 4 });
    using var attention = new CompressedAttention(cache);
    List<int> written = Write(attention);
    int same = plain.Zip(written).TakeWhile(pair => pair.First == pair.Second).Count();
    Console.WriteLine($"Keys {keys}, values {values}: the first {same} of {plain.Count} tokens are the same, at {cache.Statistics.BitsPerValue:0.0} bits a number, everything counted.");
    right &= same == plain.Count;
}

return right ? 0 : 1;

List<int> Write(IAttention attention)
{
    using var decoder = new Decoder(model, attention);
    float[] logits = new float[model.VocabularySize];
    List<int> written = [];
    decoder.Forward(prompt, logits);
    while (written.Count < 200)
    {
        // Greedy: the likeliest token. Sample here if you like.
        int next = TensorPrimitives.IndexOfMax<float>(logits);
        if (tokenizer.IsEnd(next))
            break;
        written.Add(next);
        decoder.Forward([next], logits);
    }

    return written;
}
