namespace Kvant.Cli.Tests;

/// <summary>A folder of its own for a test; gone afterwards.</summary>
internal sealed class TempFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("kvant-cli-").FullName;

    /// <summary>The path of a file in the folder.</summary>
    public string this[string name] => Path.Combine(_path, name);

    /// <summary>The trace that ships.</summary>
    public static string Trace => Path.Combine(AppContext.BaseDirectory, "data", "mini-trace.safetensors");

    /// <summary>The model that ships.</summary>
    public static string Model => Path.Combine(AppContext.BaseDirectory, "data", "mini.gguf");

    /// <summary>Names of everything in the folder, temporary files too.</summary>
    public IEnumerable<string> Names => Directory.EnumerateFileSystemEntries(_path).Select(p => Path.GetFileName(p)!).Order(StringComparer.Ordinal);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
