namespace Kvant.Models.Tests.Decoding;

public sealed class GoldenModels
{
    /// <summary>Not a test: writes the models that eng/make-model-goldens.py lets llama.cpp run. Run it by name with the folder in KVANT_GOLDEN_MODELS.</summary>
    [Fact(Explicit = true)]
    public void WriteThemForTheScript()
    {
        string folder = Environment.GetEnvironmentVariable("KVANT_GOLDEN_MODELS") ?? throw new InvalidOperationException("KVANT_GOLDEN_MODELS must name a folder");
        foreach (string name in TinyModels.All.Keys) TinyModels.Write(Path.Combine(folder, name + ".gguf"), name);
    }
}
