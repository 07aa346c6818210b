using ApiPage;
using Kvant.Chat;
using Kvant.Codecs;
using Kvant.Conversations;
using Kvant.Conversations.Redis;
using Kvant.Gpu;
using Kvant.LlamaCpp;
using Kvant.Models.Decoding;
using Kvant.Serving;

// The page of what users see: dotnet run -c Release --project eng/ApiPage > docs/api.md
Console.Out.NewLine = "\n";
Console.Write(Page.Of(typeof(Codec).Assembly, typeof(LanguageModel).Assembly, typeof(PrefixStore).Assembly, typeof(RedisChunkStore).Assembly, typeof(KvantChatClient).Assembly, typeof(KvantServing).Assembly, typeof(LlamaState).Assembly, typeof(GpuDevice).Assembly));
