// An exported decoder on ONNX Runtime whose past lies in compressed caches: fed to the graph as it is, and attended to by Kvant where the graph is cut.
// Not in the main solution, for ONNX Runtime's libraries: dotnet run -c Release --project samples/OnnxDecoders [MODEL.onnx MODEL.gguf]
using Kvant.Caching;
using Kvant.Formats;
using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;
using Kvant.OnnxRuntime;
using OnnxExport;

string gguf = args.Length > 1 ? args[1] : Path.Combine(AppContext.BaseDirectory, "mini.gguf"), model = args.Length > 1 ? args[0] : Path.Combine(Directory.CreateTempSubdirectory("kvant-onnx").FullName, "mini.onnx");
if (args.Length < 2)
    Exporter.Export(gguf, model, new ExportOptions { GroupQuery = true });
using GgufFile file = GgufFile.Open(gguf);
Tokenizer tokenizer = Tokenizer.Read(file);
int[] prompt = tokenizer.Encode(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "mini-holdout.txt")), addBegin: false)[..900];
byte[] frozen;
int[] wanted;

// The graph is cut at its attention: no past is in floats, at any time.
using (CutDecoder cut = CutDecoder.Open(model))
{
    using var cache = new KvCache(cut.CacheOptions("quality"));
    float[] logits = new float[cut.VocabularySize];
    cut.Forward(cache, prompt, logits);
    frozen = cache.Freeze();
    Console.WriteLine($"{prompt.Length} tokens: {2 * cache.Statistics.Fp16Bytes:N0} bytes of past in floats, {cache.Statistics.TotalBytes:N0} in codes.");
    int first = Best(logits);
    wanted = Write(cut, cache, first, 20);

    // Two continuations of one prompt share what it takes, and get their tokens in one run.
    using KvCache other = KvCache.Thaw(frozen), another = other.Fork();
    float[] both = new float[2 * logits.Length];
    cut.Forward([other, another], [first, prompt[0]], both);
    Console.WriteLine($"One run for two sequences: the first goes on with '{tokenizer.Decode([Best(both.AsSpan(0, logits.Length))])}', the second with '{tokenizer.Decode([Best(both.AsSpan(logits.Length))])}'.");
}

// The same codes feed the graph as it is, in another process if need be.
int equal;
using (CompressedPast past = CompressedPast.Open(model))
{
    using KvCache cache = KvCache.Thaw(frozen);
    int[] found = Write(past, cache, wanted[0], wanted.Length);
    equal = wanted.Zip(found).Count(pair => pair.First == pair.Second);
    Console.WriteLine($"Fed to the uncut model, the codes give {equal} of {wanted.Length} tokens that the cut one wrote.");
}

if (args.Length < 2)
    Directory.Delete(Path.GetDirectoryName(model)!, recursive: true);
return equal == wanted.Length ? 0 : 1;

static int[] Write(OnnxDecoder decoder, KvCache cache, int first, int count)
{
    List<int> tokens = [first];
    float[] logits = new float[decoder.VocabularySize];
    while (tokens.Count <= count)
    {
        decoder.Forward(cache, [tokens[^1]], logits);
        tokens.Add(Best(logits));
    }

    return [.. tokens[..count]];
}

static int Best(ReadOnlySpan<float> logits)
{
    int best = 0;
    for (int token = 1; token < logits.Length; token++)
        best = logits[token] > logits[best] ? token : best;
    return best;
}
