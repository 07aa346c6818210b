using System.Globalization;
using LlamaStateBars;

// What compressed states of llama.cpp cost and lose, and which contexts they go between (docs/llamacpp.md):
//     dotnet run -c Release --project engines/LlamaStateBars -- bars MODEL.gguf TEXT.txt 4000 quality balanced small tiny
//     dotnet run -c Release --project engines/LlamaStateBars -- sizes MODEL.gguf TEXT.txt 4000 quality balanced small tiny          of these, sizes and times alone
//     dotnet run -c Release --project engines/LlamaStateBars -- own MODEL.gguf TEXT.txt 4000 balanced          what Kvant's own cache loses on the same tokens
//     dotnet run -c Release --project engines/LlamaStateBars -- floats MODEL.gguf          its weights in single precision, whose products llama.cpp does not round; prints the file
//     dotnet run -c Release --project engines/LlamaStateBars -- runs MODEL.gguf TEXT.txt 600
Engine.Silence();
switch (args)
{
    case ["bars", string model, string text, string tokens, .. string[] presets]:
        Bars.Run(model, text, int.Parse(tokens, CultureInfo.InvariantCulture), presets);
        break;
    case ["sizes", string model, string text, string tokens, .. string[] presets]:
        Bars.Sizes(model, text, int.Parse(tokens, CultureInfo.InvariantCulture), presets);
        break;
    case ["own", string model, string text, string tokens, string preset]:
        Bars.Own(model, text, int.Parse(tokens, CultureInfo.InvariantCulture), preset);
        break;
    case ["floats", string model]:
        Console.WriteLine(LlamaSpeed.FloatCopy.Of(model));
        break;
    case ["runs", string model, string text, string tokens]:
        return Runs.Run(model, text, int.Parse(tokens, CultureInfo.InvariantCulture));
    case ["restore", string model, string folder, string preset]:
        // What a process that ended left behind: "bars" starts it.
        Bars.Restore(model, folder, preset);
        break;
    default:
        Console.Error.WriteLine("LlamaStateBars bars|sizes MODEL.gguf TEXT.txt TOKENS PRESET... | LlamaStateBars own MODEL.gguf TEXT.txt TOKENS PRESET | LlamaStateBars runs MODEL.gguf TEXT.txt TOKENS | LlamaStateBars floats MODEL.gguf");
        return 2;
}

return 0;
