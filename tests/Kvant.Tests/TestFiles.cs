using System.Runtime.InteropServices;
using System.Text.Json;

namespace Kvant.Tests;

/// <summary>The files that ship with these tests.</summary>
internal static class TestFiles
{
    public sealed record Codebook(int Dimension, int Bits, double[] Levels, double Nmse);

    /// <summary>Rows of 128 numbers that llama.cpp has quantized; see eng/make-ggml-goldens.py.</summary>
    public static float[] GgmlRows() => MemoryMarshal.Cast<byte, float>(Golden("ggml-rows.f32")).ToArray();

    public static byte[] Golden(string name) => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", name));

    /// <summary>Codebooks of another solver, levels times sqrt(d); dimension 0 is the Gaussian limit.</summary>
    public static IReadOnlyList<Codebook> Codebooks()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Data", "codebooks.json")));
        return [.. document.RootElement.EnumerateArray().Select(e =>
        {
            int dimension = e.GetProperty("d").ValueKind == JsonValueKind.Number ? e.GetProperty("d").GetInt32() : 0;
            double[] levels = [.. e.GetProperty("centroids").EnumerateArray().Select(c => c.GetDouble() * (dimension == 0 ? 1 : Math.Sqrt(dimension)))];
            return new Codebook(dimension, e.GetProperty("bits").GetInt32(), levels, e.GetProperty("mse_per_coordinate*d").GetDouble());
        })];
    }
}
