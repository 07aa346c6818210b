using System.Text;
using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Tests.Chunks;

namespace Kvant.Conversations.Tests.Recoding;

/// <summary>What recipes say is read back, and what nobody wrote is refused.</summary>
public sealed class RecipeTests
{
    [Theory]
    [MemberData(nameof(ChunkKeyTests.Changes), MemberType = typeof(ChunkKeyTests))]
    public void RecipesAreReadBack(string change)
    {
        ChunkPlan plan = new(ChunkKeyTests.Changed(change));
        (ChunkPlan read, ChunkForm form) = RecipeReading.Read(plan.Recipe, plan.OwnLayers.Length);
        Assert.Equal(plan.Recipe, read.Recipe);
        Assert.True(form.IsStored);
        Assert.Equal(plan.KeyOf(default, [1, 2, 3]), new ChunkPlan(read.Options with { Tenant = plan.Options.Tenant }).KeyOf(default, [1, 2, 3]));

        ChunkForm tiny = plan.Stored.Smaller(plan, LayerSpecs.FromText("turboquant:bits=2"));
        (_, ChunkForm recoded) = RecipeReading.Read(tiny.Recipe, plan.OwnLayers.Length);
        Assert.Equal(tiny.Recipe, recoded.Recipe);
        Assert.All(plan.OwnLayers, layer => Assert.Equal(tiny.Specs(layer), recoded.Specs(layer)));
    }

    [Fact]
    public void SharedLayersAndLatentOnesAreReadBack()
    {
        KvCacheOptions cache = Samples.Options("balanced", layers: 4);
        ChunkPlan plan = new(Samples.Prefixes(cache with
        {
            Geometry = cache.Geometry.WithLayers((layer, shape) => layer switch
            {
                1 => shape with { KvHeads = 1, QueryHeads = 4, KeyDimension = 96, ValueDimension = 64, ValuesInKeys = true },
                3 => shape with { SharedLayer = 0 },
                _ => shape,
            }),
        }));
        ChunkForm tiny = plan.Stored.Smaller(plan, LayerSpecs.FromText("tiny"));
        (ChunkPlan read, ChunkForm form) = RecipeReading.Read(tiny.Recipe, 3);
        Assert.Equal(plan.Recipe, read.Recipe);
        Assert.Equal(tiny.Recipe, form.Recipe);
    }

    public static TheoryData<string, string[]> Nothing => new()
    {
        { "nothing changed", ["recoded.0-1.keys", "q8", "recoded.0-1.values", "q8"] },
        { "no codec", ["recoded.0-1.keys", "q9", "recoded.0-1.values", "q4_0"] },
        { "written otherwise", ["recoded.0-1.keys", "turboquant:bits=2", "recoded.0-1.values", "turboquant:bits=2"] },
        { "a layer is missing", ["recoded.0-0.keys", "q4_0:", "recoded.0-0.values", "q4_0"] },
        { "twice", ["recoded.0-1.keys", "q4_0", "recoded.0-1.values", "q4_0", "recoded.0-1.keys", "q4_0", "recoded.0-1.values", "q4_0"] },
        { "no values", ["recoded.0-1.keys", "q4_0"] },
        { "other layers", ["recoded.0-7.keys", "q4_0", "recoded.0-7.values", "q4_0"] },
        { "another name", ["coded.0-1.keys", "q4_0", "coded.0-1.values", "q4_0"] },
        { "chooses from data", ["recoded.0-1.keys", Full("tiny", keys: true), "recoded.0-1.values", "q4_0"] },
    };

    [Theory]
    [MemberData(nameof(Nothing))]
    public void FormsThatNobodyWroteAreDamaged(string what, string[] texts)
    {
        ChunkPlan plan = new(Samples.Prefixes(Samples.Options("q8")));
        texts = [.. texts.Select(text => text is "q8" or "q4_0" ? Full(text, keys: true) : text)];
        byte[] recipe = [.. plan.Recipe, .. texts.SelectMany(text => (byte[])[(byte)text.Length, 0, .. Encoding.UTF8.GetBytes(text)])];
        Assert.True(plan.FormOf(recipe) is null, what);
        Assert.Throws<InvalidDataException>(() => RecipeReading.Read(recipe, 2));
    }

    [Fact]
    public void FormsOfOthersAreNone()
    {
        ChunkPlan plan = new(Samples.Prefixes(Samples.Options("q8"))), other = new(Samples.Prefixes(Samples.Options("q8", sinks: 5)));
        Assert.Null(plan.FormOf(other.Recipe));
        Assert.Null(plan.FormOf([.. plan.Recipe, 1]));
        Assert.Throws<InvalidDataException>(() => RecipeReading.Read([], 0));
        Assert.Throws<InvalidDataException>(() => RecipeReading.Read(plan.Recipe.AsSpan(0, plan.Recipe.Length / 2), 2));
    }

    [Fact]
    public void CodecsThatNeedAChoiceOfTheirOwnAreRefusedWithTheReason()
    {
        ChunkPlan plan = new(Samples.Prefixes(Samples.Options("fp16")));
        Assert.Contains("chooses from data", Assert.Throws<ArgumentException>(() => plan.Stored.Smaller(plan, LayerSpecs.FromText("tiny"))).Message, StringComparison.Ordinal);
        ChunkPlan windowed = new(Samples.Prefixes(Samples.Options("fp16", slidingWindows: [0, 300])));
        LayerSpecs tiles = LayerSpecs.FromText("turboquant:bits=2,mean=32");
        Assert.Contains("sliding window", Assert.Throws<ArgumentException>(() => new ChunkForm(windowed, [tiles, tiles])).Message, StringComparison.Ordinal);
        ChunkForm form = windowed.Stored.Smaller(windowed, tiles);
        Assert.Equal((tiles, windowed.Stored.Specs(1)), (form.Specs(0), form.Specs(1)));
    }

    private static string Full(string text, bool keys) => LayerSpecs.FromText(text) is var specs && keys ? specs.Keys.FullText : specs.Values.FullText;
}
