// A conversation of llama.cpp that is saved compressed and goes on in another context, and a second one that begins alike and finds that beginning stored.
// Not in the main solution, for llama.cpp's libraries: dotnet run -c Release --project samples/LlamaStates [MODEL.gguf]
using Kvant.Caching;
using Kvant.Conversations.Stores;
using Kvant.LLamaSharp;
using LLama;
using LLama.Batched;
using LLama.Common;
using LLama.Native;

NativeLibraryConfig.All.WithLogCallback((_, _) => { });
string model = args.Length > 0 ? args[0] : Path.Combine(AppContext.BaseDirectory, "mini.gguf");
ModelParams parameters = new(model) { ContextSize = 2048, SeqMax = 2, GpuLayerCount = 0 };
using LLamaWeights weights = LLamaWeights.LoadFromFile(parameters);
LLamaToken[] prompt = weights.NativeHandle.Tokenize(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "mini-holdout.txt")), true, false, parameters.Encoding)[..900];
string file = Path.GetTempFileName();

// The first conversation: read, saved, continued.
List<LLamaToken> wanted;
using (var executor = new BatchedExecutor(weights, parameters))
{
    using Conversation conversation = executor.Create();
    conversation.Prompt(prompt);
    await ReadAllAsync(executor);
    conversation.SaveCompressed(file, new() { Policy = CachePreset.Named("quality").ForLayers(1) });
    Console.WriteLine($"{prompt.Length} tokens: {executor.Context.NativeHandle.GetStateSize(conversation.ConversationId):N0} bytes in llama.cpp, {new FileInfo(file).Length:N0} in a file.");
    wanted = await WriteAsync(executor, conversation, 20);
}

// Another context, as after a restart: the last token is read again, for its logits.
List<LLamaToken> found;
using (var executor = new BatchedExecutor(weights, parameters))
{
    using Conversation conversation = executor.LoadCompressed(file);
    conversation.Modify((end, cells) =>
    {
        cells.Remove(end.Value - 1, 1);
        return end.Value - 1;
    });
    conversation.Prompt(prompt[^1]);
    await ReadAllAsync(executor);
    found = await WriteAsync(executor, conversation, 20);
}

File.Delete(file);
Console.WriteLine($"After a restart {wanted.Zip(found).Count(pair => pair.First == pair.Second)} of {wanted.Count} tokens are those that would have come.");

// What prompts share is loaded instead of computed.
int restored;
using (var executor = new BatchedExecutor(weights, parameters))
{
    var store = new MemoryChunkStore(memoryLimit: 64 << 20);
    await using var prefixes = new PrefixedExecutor(executor, store);
    using (PromptedConversation first = await prefixes.PromptAsync(prompt))
    {
        await ReadAllAsync(executor);
        prefixes.Store(first, prompt);
    }

    await prefixes.FlushAsync();
    using PromptedConversation second = await prefixes.PromptAsync((LLamaToken[])[.. prompt[..700], prompt[0]]);
    restored = second.RestoredTokens;
    await ReadAllAsync(executor);
    Console.WriteLine($"A prompt that begins with 700 of these tokens: {restored} loaded from {store.Count} chunks, {701 - restored} read.");
}

return wanted.SequenceEqual(found) && restored == 516 ? 0 : 1;

static async Task ReadAllAsync(BatchedExecutor executor)
{
    while (executor.BatchedTokenCount > 0)
    {
        if (await executor.Infer() is var result && result != DecodeResult.Ok)
            throw new InvalidOperationException($"llama.cpp: {result}");
    }
}

static async Task<List<LLamaToken>> WriteAsync(BatchedExecutor executor, Conversation conversation, int count)
{
    List<LLamaToken> tokens = [];
    for (int i = 0; i < count; i++)
    {
        Span<float> logits = conversation.Sample();
        int best = 0;
        for (int token = 1; token < logits.Length; token++)
            best = logits[token] > logits[best] ? token : best;
        tokens.Add(best);
        conversation.Prompt((LLamaToken)best);
        await ReadAllAsync(executor);
    }

    return tokens;
}
