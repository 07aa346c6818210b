using System.CommandLine;
using Kvant.Cli.Files;
using Kvant.Cli.Output;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Reports;
using Kvant.Evaluation.Sources;
using Kvant.Formats;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant measure</c>: what codecs cost and lose on vectors on their own.</summary>
internal sealed class MeasureVerb : Verb
{
    private const int MostRows = 1 << 24;

    private readonly Argument<string?> _vectors = CommonOptions.OptionalFile("VECTORS.npy", "Vectors as rows: float32, float16 or uint8 in C order. Without it: random unit vectors.");
    private readonly Option<CodecSpec[]> _codecs = CommonOptions.Specs("--codec", "A codec to measure; may be repeated. Without it and --policy: the keys' codecs of the default comparison that take the vectors.");
    private readonly Option<string[]> _policies = Policies.Options();
    private readonly Option<string?> _output = CommonOptions.OptionalOutput("--output", OutputKind.Vectors, "Also write the decoded vectors, as float32 npy; takes exactly one --codec and no --policy.");
    private readonly Option<int> _dimension = CommonOptions.Number("--dimension", 128, 1, Codec.MaxDimension, "Numbers in a random vector");
    private readonly Option<int> _rows = CommonOptions.Number("--rows", 4096, 1, MostRows, "How many random vectors");
    private readonly Option<long> _seed = CommonOptions.Number("--seed", 1L, 0, long.MaxValue, "Which random vectors");

    private static readonly Column<VectorResult>[] Columns =
    [
        Column<VectorResult>.OfSpec("codec", "codec", r => r.Policy is { } name ? $"{name}: {CodecSpec.Parse(r.Codec)}" : CodecSpec.Parse(r.Codec).ToString()),
        Column<VectorResult>.OfInteger("rows", "rows", r => r.Rows),
        Column<VectorResult>.OfInteger("dimension", "dimension", r => r.Dimension),
        Column<VectorResult>.OfReal("bytesPerRow", "bytes/row", "0.##", r => r.BytesPerRow),
        Column<VectorResult>.OfReal("bitsPerValue", "bits/value", "0.000", r => r.BitsPerValue),
        Column<VectorResult>.OfError("nmse", "nMSE", r => r.Nmse),
        Column<VectorResult>.OfReal("cosine", "cosine", "0.00000", r => r.Cosine),
        Column<VectorResult>.OfError("innerProductBias", "dot bias", r => r.InnerProductBias, minor: true),
        Column<VectorResult>.OfError("innerProductRmse", "dot RMSE", r => r.InnerProductRmse, minor: true),
        Column<VectorResult>.OfReal("encodeRowsPerSecond", "rows/s", "0", r => r.EncodeRowsPerSecond, minor: true),
    ];

    public MeasureVerb()
        : base("measure", "Measure what codecs cost and lose on vectors.")
    {
        Add(_vectors);
        foreach (Option option in (Option[])[_codecs, _policies, _output, _dimension, _rows, _seed])
            Add(option);
    }

    public override string Details => """
            One row per codec (a policy has one of keys and one of values): stored bytes and bits with everything counted; nMSE, the part of the vectors' energy that is lost;
            the mean cosine between a vector and its decoded self; how dot products with random unit queries come out: their bias
            (-0.05: 5 % too small) and their RMSE as a part of the vector's norm; and how many vectors one thread encodes in a
            second. 'kvant codecs' lists the codecs.
            """;

    public override IReadOnlyList<string> Examples =>
    [
        "kvant measure",
        "kvant measure keys.npy --codec turboquant:bits=3 --codec q4_0 --policy balanced",
        "kvant measure keys.npy --codec turboquant:bits=3,scale=unbiased --output decoded.npy",
    ];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        string? input = result.GetValue(_vectors), output = result.GetValue(_output);
        CodecSpec[] codecs = result.GetValue(_codecs) ?? [];
        string[] policies = result.GetValue(_policies) ?? [];
        if (output is not null && (codecs.Length != 1 || policies.Length > 0))
            throw new UsageException($"--output takes the vectors of one codec, but there are {codecs.Length} --codec{(policies.Length > 0 ? $" and {policies.Length} --policy" : "")}; see 'kvant measure --help'");
        if (input is not null && ((Option[])[_dimension, _rows, _seed]).FirstOrDefault(o => result.GetResult(o) is { Implicit: false }) is { } random)
            throw new UsageException($"{random.Name} is for random vectors; leave it out where {_vectors.Name} is given");

        if (input is null)
            MemoryNeed.Check($"{result.GetValue(_rows)} rows of {result.GetValue(_dimension)} numbers", result.GetValue(_rows), result.GetValue(_dimension), output is null ? 4 : 8);
        ulong seed = (ulong)result.GetValue(_seed);
        (float[] rows, int dimension) = terminal.WaitFor(() => input is null
            ? Random(result.GetValue(_rows), result.GetValue(_dimension), seed)
            : Read(input));
        List<LeftOut> leftOut = [];
        if (codecs.Length == 0 && policies.Length == 0)
            codecs = [.. DefaultCodecs.Pairs.Select(p => p.Keys).Distinct().Fitting(spec => spec.Misfit(rows.Length / dimension, dimension), leftOut)];
        (string? Policy, CodecSpec Codec)[] all = [.. codecs.Select(c => ((string?)null, c)), .. Policies.OfOneLayer(policies, dimension, dimension).SelectMany(Sides)];
        float[] decoded = output is null ? [] : new float[rows.Length];
        // Other random numbers than those of the rows: a query must not be one of them.
        var measurement = new VectorMeasurement { Seed = ~seed };
        var results = new List<VectorResult>();
        terminal.WithProgress("measuring", json, done =>
        {
            foreach ((string? policy, CodecSpec codec) in all)
            {
                results.Add(terminal.WaitFor(() => Measure(codec)) with { Policy = policy });
                done((double)results.Count / all.Length);
            }

            if (output is not null)
                Files.Write(output, path => NpyFile.Write(path, rows.Length / dimension, dimension, decoded));
        });
        if (json)
            Json.Write(terminal, EvaluationJson.Serialize(results));
        else
            Tables.Write(terminal, json: false, Columns, results);
        Tables.WriteLeftOut(terminal, json, leftOut);

        VectorResult Measure(CodecSpec codec)
        {
            try
            {
                return measurement.Run(rows, dimension, codec, decoded);
            }
            catch (ArgumentException e) when (input is not null)
            {
                throw new InvalidDataException($"{input}: {Failures.Sentence(e)}", e);
            }
        }
    }

    // Keys and values of a policy apart: vectors on their own are neither.
    private static (string? Policy, CodecSpec Codec)[] Sides(NamedPolicy policy)
    {
        (CodecSpec keys, CodecSpec values) = (policy.Layers[0].Keys, policy.Layers[0].Values);
        return keys.Equals(values) ? [(policy.Name, keys)] : [($"{policy.Name}, keys", keys), ($"{policy.Name}, values", values)];
    }

    private static (float[] Rows, int Dimension) Random(int rows, int dimension, ulong seed) => (long)rows * dimension <= Array.MaxLength
        ? (RandomVectors.Unit(rows, dimension, seed), dimension)
        : throw new UsageException($"{rows} rows of {dimension} numbers are too many; at most {Array.MaxLength / dimension} rows fit");

    private static (float[] Rows, int Dimension) Read(string path)
    {
        using NpyFile file = NpyFile.Open(path);
        int dimension = file.Columns;
        if (dimension > Codec.MaxDimension)
            throw new InvalidDataException($"{path}: a row has {dimension} numbers; codecs take at most {Codec.MaxDimension}");
        if (file.Rows is 0 || file.Rows * dimension > Array.MaxLength)
            throw new InvalidDataException($"{path}: there are {file.Rows} rows of {dimension} numbers; 1 to {Array.MaxLength / dimension} rows can be measured at once");
        float[] rows = new float[file.Rows * dimension];
        file.ReadRows(0, rows);
        return (rows, dimension);
    }
}
