namespace Kvant.Cli;

/// <summary>The files that come with the tool, for commands that are given none.</summary>
internal static class Shipped
{
    /// <summary>A small llama, trained for this project.</summary>
    public static string Model => Data("mini.gguf");

    /// <summary>Text that the model was not trained on.</summary>
    public static string Text => Data("mini-holdout.txt");

    private static string Data(string name) => Path.Combine(AppContext.BaseDirectory, "data", name);
}
