namespace Kvant.Models.Tests.RealModels;

/// <summary>
/// Models that do not ship: in the folder that the environment variable KVANT_MODELS names, or beside the repository in <c>../shared/data/models</c>.
/// Where there is none, their tests are skipped and say so.
/// </summary>
internal static class RealModel
{
    internal const string SmolLm2 = "SmolLM2-135M-Instruct.Q4_1.gguf";

    internal static string Find(string name)
    {
        string? path = Folders().Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, $"{name} is neither in KVANT_MODELS nor in ../shared/data/models beside the repository");
        return path;
    }

    private static IEnumerable<string> Folders()
    {
        if (Environment.GetEnvironmentVariable("KVANT_MODELS") is { Length: > 0 } named) yield return named;
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Kvant.slnx"))) yield return Path.Combine(folder.FullName, "..", "shared", "data", "models");
        }
    }
}
