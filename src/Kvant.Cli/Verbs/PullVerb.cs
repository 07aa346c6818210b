using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Kvant.Cli.Output;
using Kvant.Cli.Pulling;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant pull</c>: a model comes from a server into the folder of models.</summary>
internal sealed class PullVerb : Verb
{
    private const string UsualEndpoint = "https://huggingface.co";

    private readonly Argument<string> _name = new("NAME") { Description = $"The model: {ModelName.Forms}; without WEIGHTS, {ModelName.UsualWeights}." };
    private readonly Option<string?> _endpoint = new("--endpoint") { Description = $"The server where OWNER/REPOSITORY is, a mirror for example. Without it: HF_ENDPOINT, or {UsualEndpoint}.", HelpName = "URL" };
    private readonly Option<string?> _sha256 = new("--sha256") { Description = "What the file must be, 64 hexadecimal digits. Without it: what the server says, where it does.", HelpName = "HEX" };

    private static readonly Column<PulledFile>[] Columns =
    [
        Column<PulledFile>.OfText("path", "path", f => f.Path),
        Column<PulledFile>.OfInteger("bytes", "bytes", f => f.Bytes),
        Column<PulledFile>.OfText("sha256", "SHA-256", f => f.Sha256 ?? ""),
        Column<PulledFile>.OfText("checked", "checked", f => f.IsChecked ? "yes" : "no"),
        Column<PulledFile>.OfText("pulled", "pulled", f => f.IsNew ? "now" : "before"),
    ];

    public PullVerb()
        : base("pull", "Download a model, which every --model then takes by its name.")
    {
        Add(_name);
        Add(_endpoint);
        Add(_sha256);
    }

    public override string Details => """
            The file goes into the folder that KVANT_MODELS names; without it kvant/models in your cache (XDG_CACHE_HOME, ~/.cache, or the local
            application data of Windows). It appears there whole and checked, or not at all: what has come lies in a hidden file beside until then. A
            connection that breaks is taken up again, and so is a pull that was interrupted, if the server says by which it knows the file (an ETag). A
            SHA-256 is compared where one is known: by --sha256, or from the server (Hugging Face says it of every model).

            WEIGHTS choose the file whose name has them, Q4_K_M or Q8_0 for example; all parts of a split file come. HF_TOKEN, sent to the endpoint alone, opens
            models that are gated. Proxies are those of HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY. No other command uses the network.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q8_0",
        "kvant generate --model Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q8_0 --chat --prompt \"Why is the sky blue?\"",
        "kvant pull Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q8_0.gguf --endpoint https://hf-mirror.com",
        "kvant pull https://example.org/models/model.gguf --sha256 " + new string('0', 60) + "abcd",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        string text = result.GetRequiredValue(_name);
        ModelName name = ModelName.Find(text) ?? throw new UsageException($"'{text}' is no name of a model; the forms are {ModelName.Forms}");
        string? sha256 = Sha256(result.GetValue(_sha256));
        using var server = new ModelServer(Endpoint(result.GetValue(_endpoint)), Environment.GetEnvironmentVariable("HF_TOKEN") is { Length: > 0 } token ? token : null);
        var download = new Download(server);
        var files = new List<PulledFile>();
        terminal.State.Kept = () => files.Count == 0 ? "what has come is kept; pull again to go on" : $"{files.Count} files are there, and what has come of the next; pull again to go on";
        IReadOnlyList<string> wanted = Wanted(name, server, terminal.Cancellation);
        if (sha256 is not null && wanted.Count > 1)
            throw new UsageException($"--sha256 is of one file, and the model has {wanted.Count}; pull them one by one, or leave it out");
        foreach (string file in wanted)
        {
            var watch = Stopwatch.StartNew();
            long first = -1, last = 0;
            terminal.WithProgress($"pulling {Path.GetFileName(file)}", json, report => files.Add(download.RunAsync(server.AddressOf(name, file), ModelFolder.PathOf(name, file), sha256, (bytes, of) =>
            {
                first = first < 0 ? bytes : first;
                last = bytes;
                report(of > 0 ? (double)bytes / of.Value : 0);
            }, terminal.Cancellation).GetAwaiter().GetResult()));
            if (!json && files[^1].IsNew)
            {
                terminal.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{file}: {(last - first) / 1048576.0:0.0} MiB in {watch.Elapsed.TotalSeconds:0.0} s{(first > 0 ? $", behind {first / 1048576.0:0.0} MiB that were there" : "")}{(files[^1].IsChecked ? "" : "; its SHA-256 was compared with nothing, for the server says none")}"));
            }
        }

        Tables.Write(terminal, json, Columns, files);
    }

    // The files of the model: those that are there already where it needs no server to know them.
    private static IReadOnlyList<string> Wanted(ModelName name, ModelServer server, CancellationToken cancellation)
    {
        if (name.File is { } file)
            return ModelName.Parts(file);
        IReadOnlyList<string> all = server.ListAsync(name, cancellation).GetAwaiter().GetResult();
        string[] models = [.. all.Where(f => ModelName.Find($"{name.Place}/{f}") is not null)];
        string chosen = models.Where(name.Means).OrderBy(f => f.Length).ThenBy(f => f, StringComparer.Ordinal).FirstOrDefault()
            ?? throw new PullException($"{name.Place} has no file of the weights {name.Weights}; it has {(models.Length == 0 ? "no GGUF file" : string.Join(", ", models.Take(40)))}");
        IReadOnlyList<string> parts = ModelName.Parts(chosen);
        return parts.FirstOrDefault(p => !models.Contains(p)) is not { } missing ? parts : throw new PullException($"{name.Place} has {chosen}, and lacks its part {missing}");
    }

    private static Uri Endpoint(string? said)
    {
        string text = said ?? (Environment.GetEnvironmentVariable("HF_ENDPOINT") is { Length: > 0 } variable ? variable : UsualEndpoint);
        return Uri.TryCreate(text, UriKind.Absolute, out Uri? endpoint) && endpoint.Scheme is "http" or "https" ? endpoint : throw new UsageException($"the endpoint must be an http or https address; found '{text}'");
    }

    private static string? Sha256(string? text) => text is null || (text.Length == 64 && text.All(char.IsAsciiHexDigit))
        ? text?.ToLowerInvariant()
        : throw new UsageException($"--sha256 must be 64 hexadecimal digits; found '{text}'");
}
