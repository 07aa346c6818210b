using System.Globalization;
using OnnxBars;

// What a compressed past costs and loses with ONNX Runtime (docs/onnxruntime.md); models are made by engines/OnnxExport:
//     dotnet run -c Release --project engines/OnnxBars -- accuracy MODEL.gguf MODEL.onnx TEXT.txt 600 quality
//     dotnet run -c Release --project engines/OnnxBars -- floor MODEL.gguf CONCAT-HALF-PAST.onnx GROUP-HALF-PAST.onnx TEXT.txt 300
//     dotnet run -c Release --project engines/OnnxBars -- memory MODEL.onnx 8192 balanced
//     dotnet run -c Release --project engines/OnnxBars -- times MODEL.onnx 4096 balanced 41 [THREADS]
switch (args)
{
    case ["accuracy", string gguf, string model, string text, string tokens, string preset]:
        Accuracy.Run(gguf, model, text, Number(tokens), preset);
        break;
    case ["floor", string gguf, string concat, string group, string text, string tokens]:
        Floor.Run(gguf, concat, group, text, Number(tokens));
        break;
    case ["memory", string model, string tokens, string policy]:
        Memory.Run(model, Number(tokens), policy);
        break;
    case ["hold", string way, string model, string tokens, string policy]:
        // One of those that "memory" starts.
        Memory.Hold(way, model, Number(tokens), policy);
        break;
    case ["times", string model, string tokens, string policy, string rounds, .. string[] threads] when threads.Length < 2:
        Times.Run(model, Number(tokens), policy, Number(rounds), threads is [string count] ? Number(count) : 0);
        break;
    default:
        Console.Error.WriteLine("OnnxBars accuracy MODEL.gguf MODEL.onnx TEXT.txt TOKENS PRESET | OnnxBars floor MODEL.gguf CONCAT.onnx GROUP.onnx TEXT.txt TOKENS | OnnxBars memory MODEL.onnx TOKENS POLICY | OnnxBars times MODEL.onnx TOKENS POLICY ROUNDS [THREADS]");
        return 2;
}

return 0;

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
