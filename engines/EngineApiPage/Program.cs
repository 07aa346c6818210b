using ApiPage;
using Kvant.LLamaSharp;
using Kvant.OnnxRuntime;

// The page of what users of llama.cpp and ONNX Runtime see, apart from that of the other packages, which are built without them: dotnet run -c Release --project engines/EngineApiPage > docs/api-engines.md
Console.Out.NewLine = "\n";
Console.Write(Page.OfEngines(typeof(CompressedStates).Assembly, typeof(OnnxDecoder).Assembly));
