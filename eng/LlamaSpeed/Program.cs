using System.Globalization;
using Kvant.Evaluation.Speed;
using LlamaSpeed;

// Kvant beside llama.cpp, on one file, in turn in one process:
//     npm pack @node-llama-cpp/linux-x64@3.22.1        (in an empty folder; then unpack the archive)
//     dotnet run -c Release --project eng/LlamaSpeed -- package/bins/linux-x64 speed Q4_0 1 512
//     dotnet run -c Release --project eng/LlamaSpeed -- package/bins/linux-x64 depth Q4_0 2 16384
//     dotnet run -c Release --project eng/LlamaSpeed -- package/bins/linux-x64 loss MODEL.gguf TEXT.txt 256
//     dotnet run -c Release --project eng/LlamaSpeed -- package/bins/linux-x64 caches MODEL.gguf TEXT.txt 1024 8 logits.safetensors
//     dotnet run -c Release --project eng/LlamaSpeed -- package/bins/linux-x64 perplexity MODEL.gguf TEXT.txt 512 4
//     dotnet run -c Release --project eng/LlamaSpeed -- package/bins/linux-x64 texts MODEL.gguf 100
// A format's name instead of a file stands for a model of the shape of TinyLlama-1.1B with random weights, written to a temporary file.
switch (args)
{
    case [string folder, "speed", string model, string threads, string prompt]:
        Llama.Load(folder);
        SpeedRace.Run(Model(model), Number(threads), Number(prompt));
        break;
    case [string folder, "depth", string model, string threads, string tokens]:
        Llama.Load(folder);
        DepthRace.Run(Model(model), Number(threads), Number(tokens));
        break;
    case [string folder, "loss", string model, string text, string tokens]:
        Llama.Load(folder);
        RoundingLoss.Run(model, text, Number(tokens));
        break;
    case [string folder, "caches", string model, string text, string context, string chunks, .. string[] file]:
        Llama.Load(folder);
        CacheLoss.Run(model, text, Number(context), Number(chunks), file.FirstOrDefault());
        break;
    case [string folder, "perplexity", string model, string text, string context, string chunks]:
        Llama.Load(folder);
        Perplexities.Run(model, text, Number(context), Number(chunks));
        break;
    case [string folder, "texts", string model, string tokens]:
        Llama.Load(folder);
        GreedyTexts.Run(model, Number(tokens));
        break;
    default:
        Console.Error.WriteLine("LlamaSpeed LIBRARIES speed FORMAT|MODEL.gguf THREADS PROMPT | LlamaSpeed LIBRARIES depth FORMAT|MODEL.gguf THREADS TOKENS | LlamaSpeed LIBRARIES loss MODEL.gguf TEXT.txt TOKENS | LlamaSpeed LIBRARIES caches MODEL.gguf TEXT.txt CONTEXT CHUNKS [FILE] | LlamaSpeed LIBRARIES perplexity MODEL.gguf TEXT.txt CONTEXT CHUNKS | LlamaSpeed LIBRARIES texts MODEL.gguf TOKENS");
        return 2;
}

return 0;

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

static string Model(string model)
{
    string path = File.Exists(model) ? model : Path.Combine(Path.GetTempPath(), $"kvant-tinyllama-{model}.gguf");
    if (!File.Exists(path))
    {
        new DecodeSpeed
        {
            Pairs = [],
            Layers = 22,
            Width = 2048,
            FeedForward = 5632,
            KvHeads = 4,
            Group = 8,
            Dimension = 64,
            Vocabulary = 32000,
            Tokens = 4096,
            WeightFormat = model,
        }.SaveModel(path);
    }

    return path;
}
