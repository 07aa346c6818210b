namespace Kvant.Codecs;

/// <summary>Every method that Kvant has. Tests, the tool, benchmarks and evaluation walk this list; a new method is one line here.</summary>
public static class CodecCatalog
{
    private static readonly Lock s_lock = new();
    private static volatile IReadOnlyList<CodecMethod> s_registered = [];

    /// <summary>The methods that ship, in the order in which they are shown.</summary>
    public static IReadOnlyList<CodecMethod> Methods { get; } =
    [
        Fp32Codec.Method,
        Fp16Codec.Method,
        Bf16Codec.Method,
        Q8Codec.Method,
        Q80Codec.Method,
        Q40Codec.Method,
        TurboQuantCodec.Method,
        TurboQuantIpCodec.Method,
        OutlierCodec.Method,
        Polar32Codec.Method,
        KiviCodec.Method,
    ];

    /// <summary>Methods of others, in the order in which they came.</summary>
    public static IReadOnlyList<CodecMethod> Registered => s_registered;

    /// <summary>The names of both, for messages.</summary>
    internal static string Names => string.Join(", ", Methods.Concat(s_registered).Select(m => m.Name));

    /// <summary>Makes a method of your own known to this process: from here on specs name it, caches use it, and files that name it can be read. The same one twice is fine.</summary>
    /// <param name="method">The method.</param>
    /// <exception cref="ArgumentException">Another one has the name, or with all settings at their defaults it takes less than no <see cref="CodecMethod.Steps"/>.</exception>
    public static void Register(CodecMethod method)
    {
        ArgumentNullException.ThrowIfNull(method);
        var defaults = new CodecSpec(method);
        foreach (int dimension in (int[])[1, 128, Codec.MaxDimension])
        {
            if (method.Steps(defaults, dimension) is < 0 and var steps)
                throw new ArgumentException($"Making '{method.Name}' for rows of {dimension} numbers takes {steps} steps; 0 or more are wanted.", nameof(method));
        }

        lock (s_lock)
        {
            CodecMethod? known = Find(method.Name);
            if (known is not null && known != method)
                throw new ArgumentException($"There is a method '{method.Name}' already: {known.Summary}.", nameof(method));
            if (known is null)
                s_registered = [.. s_registered, method];
        }
    }

    /// <summary>The method of a name, or null.</summary>
    /// <param name="name">The name, as a spec writes it.</param>
    public static CodecMethod? Find(string name) => Methods.FirstOrDefault(m => m.Name == name) ?? s_registered.FirstOrDefault(m => m.Name == name);
}
