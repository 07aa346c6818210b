using System.Globalization;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;

namespace Kvant.Conversations.Chunks;

/// <summary>Turns the recipe of a chunk back into what it was written from, for those who have stored chunks and no model. The tenant is not part of it, nor is how long the window was.</summary>
internal static class RecipeReading
{
    /// <summary>The plan of the sequence of a chunk, and the form that the chunk has.</summary>
    /// <param name="recipe">The recipe, as it stands in a chunk.</param>
    /// <param name="layers">Layers of the chunk: no recipe has more to itself than the chunk has.</param>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static (ChunkPlan Plan, ChunkForm Form) Read(ReadOnlySpan<byte> recipe, int layers)
    {
        List<(string Key, string Value)> pairs = ChunkRecipe.Read(recipe);
        try
        {
            ChunkPlan plan = new(Options(pairs, layers));
            return recipe.StartsWith(plan.Recipe) && plan.FormOf(recipe) is { } form ? (plan, form) : throw new InvalidDataException("The recipe is written otherwise than it would be.");
        }
        catch (Exception refused) when (refused is ArgumentException or FormatException or OverflowException)
        {
            throw new InvalidDataException($"The recipe means nothing: {refused.Message}", refused);
        }
    }

    private static PrefixOptions Options(List<(string Key, string Value)> pairs, int layers)
    {
        Dictionary<string, string> text = [];
        foreach ((string key, string value) in pairs)
            text.Add(key is [>= '0' and <= '9', ..] ? "layers." + key : key, value);
        int[] shape = [.. Required("shape").Split(' ').Select(Number)];
        if (shape.Length != 5 || shape[0] > layers + pairs.Count)
            throw new FormatException($"The shape is '{Required("shape")}', of {layers} layers and {pairs.Count} pairs of texts.");
        CacheGeometry geometry = LayerGeometryText.Read(text, new()
        {
            Layers = shape[0],
            KvHeads = shape[1],
            QueryHeads = shape[2],
            KeyDimension = shape[3],
            ValueDimension = shape[4],
            Rotary = RotaryText.Read(text),
        });
        string first = string.Create(CultureInfo.InvariantCulture, $"{geometry.OwnLayers.FirstOrDefault()}-");
        LayerSpecs[] specs = ChunkRecipe.ReadCodecs(
            [.. pairs.SkipWhile(pair => !pair.Key.StartsWith(first, StringComparison.Ordinal)).TakeWhile(pair => !pair.Key.StartsWith(ChunkForm.Prefix, StringComparison.Ordinal))], "", geometry);
        PolicyCost.RequireFewSteps(specs, geometry);
        return new()
        {
            Cache = new()
            {
                Geometry = geometry,
                Policy = new LayerPolicy(specs),
                Sinks = Number(Required("sinks")),
                Window = 0,
                WindowCodec = text.TryGetValue("window_codec", out string? window) ? CodecSpec.Parse(window) : null,
                Identity = new() { Weights = text.GetValueOrDefault("weights"), Positions = text.GetValueOrDefault("positions"), Note = text.GetValueOrDefault("note") },
            },
            Tokenizer = text.GetValueOrDefault("tokenizer"),
            ChunkTokens = Number(Required("chunk")),
            Sections = text.TryGetValue("sections", out string? sections) ? sections.Split(' ') : [],
            LargestSection = 0,
        };

        string Required(string key) => text.GetValueOrDefault(key) ?? throw new FormatException($"There is no '{key}'.");
    }

    private static int Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number
        : throw new FormatException($"'{text}' is no whole number.");
}
