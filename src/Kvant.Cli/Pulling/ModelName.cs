using System.Text.RegularExpressions;

namespace Kvant.Cli.Pulling;

/// <summary>
/// What a user calls a model that lies on a server: <c>owner/repository/file.gguf</c>, <c>owner/repository:Q4_K_M</c>, <c>owner/repository</c> (which means <c>:Q4_K_M</c>), or the
/// address of a file. Its parts are checked: none of them leads out of a folder.
/// </summary>
/// <param name="Place">Where it lies in the folder of models: folders separated by <c>/</c>, at least one.</param>
/// <param name="File">The file in the repository or on the server, folders before it; null where a kind of weights is named.</param>
/// <param name="Weights">The kind of weights, such as <c>Q4_K_M</c>; null where a file is named.</param>
/// <param name="Address">The address of the file; null for a file of a repository.</param>
internal sealed partial record ModelName(string Place, string? File, string? Weights, Uri? Address)
{
    /// <summary>What is meant where a repository alone is named.</summary>
    public const string UsualWeights = "Q4_K_M";

    /// <summary>The forms in words, for messages.</summary>
    public const string Forms = "OWNER/REPOSITORY/FILE.gguf, OWNER/REPOSITORY:WEIGHTS or https://...";

    /// <summary>Reads a name; null where the text is none.</summary>
    public static ModelName? Find(string text)
    {
        if (text.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || text.StartsWith("https://", StringComparison.OrdinalIgnoreCase))
            return OfAddress(text);
        if (text.StartsWith("hf.co/", StringComparison.Ordinal) || text.StartsWith("huggingface.co/", StringComparison.Ordinal))
            text = text[(text.IndexOf('/', StringComparison.Ordinal) + 1)..];
        string weights = "";
        if (text.EndsWith(':'))
            return null;
        if (text.LastIndexOf(':') is >= 0 and var colon)
            (text, weights) = (text[..colon], text[(colon + 1)..]);
        string[] parts = text.Split('/');
        if (parts.Length < 2 || !Array.TrueForAll(parts, IsPart) || text.Length > 500)
            return null;
        string place = $"{parts[0]}/{parts[1]}";
        if (parts.Length == 2)
            return Repository();
        return weights.Length == 0 && IsGguf(parts[^1]) ? new ModelName(place, string.Join('/', parts[2..]), null, null) : null;

        ModelName? Repository() => weights.Length == 0 ? IsGguf(parts[1]) ? null : new ModelName(place, null, UsualWeights, null) : IsPart(weights) ? new ModelName(place, null, weights, null) : null;
    }

    /// <summary>Whether a file has the weights: its name says so between points, dashes or ends, in capitals or not.</summary>
    public bool Means(string file)
    {
        string name = file[(file.LastIndexOf('/') + 1)..];
        int at = name.IndexOf(Weights!, StringComparison.OrdinalIgnoreCase);
        // Q4_K_M is no part of UD-Q4_K_M_XL; what follows a name of weights is a point or the number of a part.
        return at >= 0 && IsGguf(name) && (at == 0 || name[at - 1] is '.' or '-' or '_') && name[at + Weights!.Length] is '.' or '-';
    }

    /// <summary>The files of which a model consists, if the name of one says that it is a part: <c>NAME-00001-of-00003.gguf</c>; else the file alone.</summary>
    public static IReadOnlyList<string> Parts(string file)
    {
        const int MostParts = 999;
        Match part = Numbered().Match(file);
        if (!part.Success || !int.TryParse(part.Groups[2].Value, out int count) || count is < 1 or > MostParts)
            return [file];
        return [.. Enumerable.Range(1, count).Select(i => $"{file[..part.Groups[1].Index]}{i:00000}-of-{count:00000}.gguf")];
    }

    private static ModelName? OfAddress(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? address) || address.UserInfo.Length > 0)
            return null;
        string[] parts = [address.IsDefaultPort ? address.Host : $"{address.Host}_{address.Port}", .. address.AbsolutePath.Trim('/').Split('/').Select(Uri.UnescapeDataString)];
        return parts.Length > 1 && Array.TrueForAll(parts, IsPart) && IsGguf(parts[^1]) ? new ModelName(string.Join('/', parts[..^1]), parts[^1], null, address) : null;
    }

    private static bool IsGguf(string name) => name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) && name.Length > 5;

    private static bool IsPart(string part) => Plain().IsMatch(part) && part is not ("." or "..");

    // Letters and digits of any script would do; these are what names of models are made of, and no file system takes offence at them.
    [GeneratedRegex(@"^[A-Za-z0-9._+=@,()~ \-]{1,200}$")]
    private static partial Regex Plain();

    [GeneratedRegex(@"([0-9]{5})-of-([0-9]{5})\.gguf$")]
    private static partial Regex Numbered();
}
