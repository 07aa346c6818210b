using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Tests.Support;

/// <summary>The models and the text that ship with the repository.</summary>
internal static class ShippedModels
{
    public static string Text { get; } = File.ReadAllText(Path("mini-holdout.txt"));

    public static LanguageModel Open(string name = "mini.gguf") => LanguageModel.Open(Path(name));

    private static string Path(string name) => System.IO.Path.Combine(AppContext.BaseDirectory, "models", name);
}
