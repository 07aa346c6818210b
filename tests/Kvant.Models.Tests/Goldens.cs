namespace Kvant.Models.Tests;

/// <summary>The files that ship with these tests; eng/make-model-goldens.py makes those in Golden.</summary>
internal static class Goldens
{
    public static string Path(params ReadOnlySpan<string> names) => System.IO.Path.Combine([AppContext.BaseDirectory, "Golden", .. names]);

    public static string Model(string name) => System.IO.Path.Combine(AppContext.BaseDirectory, "models", name);
}
