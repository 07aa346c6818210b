using OnnxExport;

// A decoder in ONNX's format, made from a GGUF file of a llama, for what has to be tried with one (docs/onnxruntime.md):
//     dotnet run -c Release --project engines/OnnxExport -- models/mini.gguf mini.onnx [group] [packed] [half] [half-past] [data] [int32] [merged]
if (args.Length < 2 || args[2..].Except(["group", "packed", "half", "half-past", "data", "int32", "merged"]).Any())
{
    Console.Error.WriteLine("OnnxExport MODEL.gguf MODEL.onnx [group] [packed] [half] [half-past] [data] [int32] [merged]");
    return 2;
}

Exporter.Export(args[0], args[1], new ExportOptions { GroupQuery = args.Contains("group") || args.Contains("packed"), Packed = args.Contains("packed"), Half = args.Contains("half"), HalfPast = args.Contains("half-past"), DataFile = args.Contains("data"), ShortNumbers = args.Contains("int32"), Merged = args.Contains("merged") });
return 0;
