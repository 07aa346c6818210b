using Kvant.Chat.Scheduling;
using Kvant.Models.Generation;
using Kvant.Tests.Formats;

namespace Kvant.Chat.Tests.Scheduling;

/// <summary>Plain questions to the model that ships.</summary>
internal static class Asking
{
    public static TextEngine Engine(TemporaryFolder folder, Func<KvantChatOptions, KvantChatOptions> change)
    {
        string path = folder.File("model.gguf");
        if (!File.Exists(path))
            ChatModel.Write(path);
        return new TextEngine(change(new() { Model = path, Threads = 1, Window = 64, Sinks = 4 }), needsTemplate: false);
    }

    public static Answer Ask(this TextEngine engine, string text, int tokens, string tenant = "", CancellationToken cancellation = default) =>
        engine.Submit(Request(engine, engine.Tokenizer.Encode(text), tokens) with { Tenant = tenant }, cancellation);

    /// <summary>A request that the model may not end by itself.</summary>
    public static TextRequest Request(TextEngine engine, int[] tokens, int most) => new()
    {
        Tokens = tokens,
        MostTokens = most,
        Sampling = new SamplerOptions { LogitBias = Enumerable.Range(0, engine.Tokenizer.Count).Where(engine.Tokenizer.IsEnd).ToDictionary(t => t, _ => float.NegativeInfinity) },
    };

    /// <summary>Words that do not repeat themselves.</summary>
    public static string Long(int words)
    {
        string[] some = "And the LORD spake unto Moses saying of all that is in heaven above and earth beneath".Split(' ');
        return string.Join(' ', Enumerable.Range(0, words).Select(i => some[i * i % 31 % some.Length]));
    }
}
