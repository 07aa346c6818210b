using System.Globalization;
using LlamaStateBars;

// What compressed states of llama.cpp cost and lose, and which contexts they go between (docs/llamacpp.md):
//     dotnet run -c Release --project engines/LlamaStateBars -- bars MODEL.gguf TEXT.txt 4000
//     dotnet run -c Release --project engines/LlamaStateBars -- runs MODEL.gguf TEXT.txt 600
Engine.Silence();
switch (args)
{
    case ["bars", string model, string text, string tokens]:
        Bars.Run(model, text, int.Parse(tokens, CultureInfo.InvariantCulture));
        break;
    case ["runs", string model, string text, string tokens]:
        return Runs.Run(model, text, int.Parse(tokens, CultureInfo.InvariantCulture));
    case ["restore", string model, string folder, string preset]:
        // What a process that ended left behind: "bars" starts it.
        Bars.Restore(model, folder, preset);
        break;
    default:
        Console.Error.WriteLine("LlamaStateBars bars|runs MODEL.gguf TEXT.txt TOKENS");
        return 2;
}

return 0;
