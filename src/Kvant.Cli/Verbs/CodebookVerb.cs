using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Kvant.Cli.Output;
using Kvant.Codebooks;
using Kvant.Codecs;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant codebook</c>: the levels that the coordinates of a rotated unit vector are rounded to.</summary>
internal sealed class CodebookVerb : Verb
{
    private readonly Option<int> _dimension = CommonOptions.Number("--dimension", 128, 3, Codec.MaxDimension, "Numbers in a vector");
    private readonly Option<int> _bits = CommonOptions.Number("--bits", 3, 1, 8, "Bits of a code");

    /// <summary>A codebook and what it is for.</summary>
    private sealed record Entry(int Dimension, int Bits, IReadOnlyList<double> Centroids, double Nmse);

    private static readonly Column<Entry>[] Fields =
    [
        Column<Entry>.OfInteger("dimension", "dimension", e => e.Dimension),
        Column<Entry>.OfInteger("bits", "bits", e => e.Bits),
        Column<Entry>.OfReal("nmse", "nMSE", "0.000000", e => e.Nmse),
        Column<Entry>.OfValue("centroids", "centroids", e => string.Join('\n', e.Centroids.Select(c => c.ToString(" 0.00000000;-0.00000000", CultureInfo.InvariantCulture))), WriteCentroids),
    ];

    public CodebookVerb()
        : base("codebook", "Show the levels that TurboQuant rounds to, and the error that they leave.")
    {
        Add(_dimension);
        Add(_bits);
    }

    public override string Details => """
            The levels (centroids) are the best for the exact density of one coordinate of a random unit vector of that dimension
            (Lloyd-Max). nMSE is the mean squared error of a unit vector that is coded with them: the part of its energy that is lost.
            """;

    public override IReadOnlyList<string> Examples => ["kvant codebook --dimension 128 --bits 3"];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        int dimension = result.GetValue(_dimension), bits = result.GetValue(_bits);
        Codebook codebook = Codebook.LloydMax(dimension, bits);
        double[] centroids = [.. codebook.Centroids.ToArray().Select(c => c / Math.Sqrt(dimension))];
        Tables.WriteOne(terminal, json, Fields, new Entry(dimension, bits, centroids, codebook.NormalizedError));
    }

    private static void WriteCentroids(Utf8JsonWriter json, Entry entry)
    {
        json.WriteStartArray();
        foreach (double centroid in entry.Centroids)
            json.WriteNumberValue(centroid);
        json.WriteEndArray();
    }
}
