namespace Kvant.Cli.Pulling;

/// <summary>
/// The folder in which models are looked for and into which they are pulled: that of <c>KVANT_MODELS</c>; without it <c>kvant/models</c> in the user's cache (<c>XDG_CACHE_HOME</c>, <c>~/.cache</c>, or
/// the local application data of Windows).
/// </summary>
internal static class ModelFolder
{
    /// <summary>The environment variable that names it.</summary>
    public const string Variable = "KVANT_MODELS";

    /// <summary>The folder, which need not exist.</summary>
    public static string Root
    {
        get
        {
            if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
                return Path.GetFullPath(named);
            string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
            // A relative one is to be ignored, says the specification.
            if (!Path.IsPathRooted(cache))
            {
                cache = OperatingSystem.IsWindows()
                    ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify)
                    : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), ".cache");
            }

            return Path.Combine(cache, "kvant", "models");
        }
    }

    /// <summary>Where a file of a model is, or will be.</summary>
    public static string PathOf(ModelName name, string file) => Path.Combine([Root, .. name.Place.Split('/'), .. file.Split('/')]);

    /// <summary>What <c>--model</c> means: a file where there is one; else the model of that name, if it was pulled; else the text as it is, for the reader to say what is missing.</summary>
    public static string Resolve(string text) => File.Exists(text) || ModelName.Find(text) is not { } name ? text : Find(name) ?? text;

    /// <summary>The model's first file; null where it was not pulled.</summary>
    public static string? Find(ModelName name)
    {
        if (name.File is { } file)
            return ModelName.Parts(file).Select(part => PathOf(name, part)).All(File.Exists) ? PathOf(name, file) : null;
        string folder = Path.Combine([Root, .. name.Place.Split('/')]);
        return !Directory.Exists(folder) ? null : Directory.EnumerateFiles(folder, "*.gguf", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(folder, path).Replace('\\', '/')).Where(name.Means).Order(StringComparer.Ordinal)
            .Select(path => Find(name with { File = path, Weights = null })).FirstOrDefault(path => path is not null);
    }

    /// <summary>The names of all that was pulled, as <c>--model</c> takes them.</summary>
    public static IEnumerable<string> Names() => !Directory.Exists(Root) ? [] : Directory.EnumerateFiles(Root, "*.gguf", SearchOption.AllDirectories)
        .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/')).Where(path => ModelName.Find(path) is not null).Order(StringComparer.Ordinal);
}
