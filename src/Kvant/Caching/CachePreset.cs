using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>
/// A choice that was made for those who do not want to choose: one codec for all keys and one for all values, learnt from nothing but the first tokens of the sequence itself. What each costs and
/// loses is in docs/methods/presets.md.
/// </summary>
/// <remarks>A preset is the same codecs, and so the same bytes, on every processor: x86-64 and Arm64 have kernels for all of them. Where vector instructions
/// are switched off, all but <c>quality</c> are slow.</remarks>
public sealed class CachePreset
{
    private CachePreset(string name, string summary, string keys, string values)
    {
        (Name, Summary, Keys, Values) = (name, summary, CodecSpec.Parse(keys), CodecSpec.Parse(values));
    }

    /// <summary>All presets, from much quality to few bytes.</summary>
    public static IReadOnlyList<CachePreset> All { get; } =
    [
        new("quality", "half of fp16, next to nothing lost", "q8:frame=balanced", "q8"),
        new("balanced", "a quarter of fp16, less lost than by usual codes of 4.5 bits", KeysOf(4), ValuesOf(3)),
        new("small", "a fifth of fp16", KeysOf(3), ValuesOf(2)),
        new("tiny", "a sixth of fp16, for what would not fit otherwise", KeysOf(2), ValuesOf(2)),
    ];

    /// <summary>The one to take without a reason for another: <c>balanced</c>.</summary>
    public static CachePreset Default { get; } = Named("balanced");

    /// <summary>What it is called: <c>quality</c>, <c>balanced</c>, <c>small</c> or <c>tiny</c>.</summary>
    public string Name { get; }

    /// <summary>What it is for, in a few words.</summary>
    public string Summary { get; }

    /// <summary>The codec of all keys.</summary>
    public CodecSpec Keys { get; }

    /// <summary>The codec of all values.</summary>
    public CodecSpec Values { get; }

    /// <summary>The preset of a name.</summary>
    /// <exception cref="ArgumentException">There is none of this name; the message names all.</exception>
    public static CachePreset Named(string name) => Find(name)
        ?? throw new ArgumentException($"There is no preset '{name}'; there are {string.Join(", ", All.Select(p => p.Name))}.", nameof(name));

    /// <summary>The preset of a name; null if there is none.</summary>
    public static CachePreset? Find(string name) => All.FirstOrDefault(p => p.Name == name);

    /// <summary>The same codecs in every layer.</summary>
    /// <param name="layers">Number of layers, at least 1.</param>
    public LayerPolicy ForLayers(int layers) => LayerPolicy.Uniform(layers, Keys, Values);

    // Trellis codes lose least for their bits; means of 32 tokens take out what neighbors share, and keep blocks short. Keys have a frame besides, for what
    // all of them share and for what queries look at; values an unbiased scale, since sums of them average noise away but not what is missing from each.
    private static string KeysOf(int bits) => $"turboquant:bits={bits},code=trellis,mean=32,meanbits=4,frame=balanced";

    private static string ValuesOf(int bits) => $"turboquant:bits={bits},code=trellis,scale=unbiased,mean=32,meanbits=4";
}
