using System.Runtime.InteropServices;
using System.Text.Json;

namespace Kvant.Models.Tests.Decoding;

/// <summary>What llama.cpp answered to a prompt.</summary>
internal sealed record LogitGolden(int[] Prompt, int[] Positions, int[] Greedy, double Margin, float[] Logits)
{
    internal static LogitGolden Read(string name)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Goldens.Path($"logits-{name}.json")));
        JsonElement root = document.RootElement;
        return new LogitGolden(
            Integers("prompt"), Integers("positions"), Integers("greedy"), root.GetProperty("margin").GetDouble(),
            MemoryMarshal.Cast<byte, float>(root.GetProperty("logits").GetBytesFromBase64()).ToArray());

        int[] Integers(string key) => [.. root.GetProperty(key).EnumerateArray().Select(e => e.GetInt32())];
    }
}
