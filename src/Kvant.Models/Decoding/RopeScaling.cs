using Kvant.Models.Gguf;
using Kvant.Numerics;

namespace Kvant.Models.Decoding;

/// <summary>
/// How a model was stretched to a context longer than the one it was first trained on. Linear: positions are divided. YaRN (Peng et al., 2023,
/// arXiv:2309.00071): only those pairs are slowed down that turn less than a few times in the first context, and what is turned gets longer.
/// LongRoPE (Ding et al., 2024, arXiv:2402.13753): each pair has a factor of its own, which is a tensor of the file.
/// Names and meanings of the keys are llama.cpp's.
/// </summary>
internal sealed record RopeScaling
{
    /// <summary>What the speed of the slowest pairs is divided by; with linear scaling that of all.</summary>
    public float Divisor { get; private init; } = 1;

    /// <summary>How many tokens the model was first trained on at once; 0 where that does not matter.</summary>
    public int FirstContext { get; private init; }

    /// <summary>What turned queries and keys are multiplied by.</summary>
    public float Magnitude { get; private init; } = 1;

    /// <summary>Whether the keys that only YaRN has were read.</summary>
    public bool IsYarn { get; private init; }

    /// <summary>Which pairs keep their speed; null if none does.</summary>
    public Ramp? Kept { get; private init; }

    /// <summary>Reads and checks what a file says.</summary>
    /// <exception cref="InvalidDataException">It says something that the decoder lacks, or that two readers take in two ways.</exception>
    internal static RopeScaling Read(GgufFile file, Architecture architecture, int contextLength, float @base)
    {
        GgufValue? type = Optional("type");
        string kind = type?.AsText() ?? "linear";
        // Where windowed layers turn in their own way, nobody has said what YaRN would be there.
        string[] known = architecture.WindowRopeBase is not null ? ["none", "linear"] : architecture.HasLongFactors ? ["none", "linear", "yarn", "longrope"] : ["none", "linear", "yarn"];
        if (!known.Contains(kind)) throw type!.Refuse($"one of {string.Join(", ", known.Select(static k => $"'{k}'"))}", type.ToString());
        // As llama.cpp: linear where no type is said, and a factor of 0 is none.
        GgufValue? factor = kind == "none" ? null : Optional("factor") ?? OptionalKey("rope.scale_linear");
        RopeScaling scaling = new()
        {
            Divisor = factor is null || factor.AsNumber() == 0 ? 1 : ModelConfig.AboveZero(factor),
            Magnitude = Optional("attn_factor") is { } length ? ModelConfig.AboveZero(length) : 1,
        };
        if (kind == "yarn" || architecture.HasLongFactors)
            scaling = scaling with { FirstContext = Optional("original_context_length")?.AsCount() is { } first and > 0 ? first : contextLength };
        // llama.cpp divides by it, other programs only make the length of it, which is a key of its own here.
        if (kind == "longrope" && scaling.Divisor != 1) throw factor!.Refuse("1, as LongRoPE has it,", $"{factor}");
        if (kind != "yarn") return scaling;
        if (!(@base > 1)) throw OptionalKey("rope.freq_base")!.Refuse("a number above 1, as YaRN has it,", $"{@base}");
        return scaling.WithYarn(Optional);

        GgufValue? Optional(string key) => OptionalKey("rope.scaling." + key);
        GgufValue? OptionalKey(string key) => file.TryGetValue($"{architecture.Name}.{key}", out GgufValue? value) ? value : null;
    }

    /// <summary>Radians by position of every pair.</summary>
    /// <param name="dimension">How many coordinates are turned.</param>
    /// <param name="base">The base of their wavelengths.</param>
    /// <param name="factors">What the file divides the speed of each pair by besides; null for nothing.</param>
    internal double[] Speeds(int dimension, float @base, float[]? factors)
    {
        double[] speeds = new double[dimension / 2];
        for (int i = 0; i < speeds.Length; i++)
        {
            double speed = Math.Pow(@base, -2.0 * i / dimension) / (factors?[i] ?? 1), kept = Kept?.Share(i, dimension, @base) ?? 0;
            speeds[i] = (speed / Divisor * (1 - kept)) + (speed * kept);
        }
        return speeds;
    }

    /// <summary>The same for layers that see a short context: nothing is divided.</summary>
    internal RopeScaling OfWindows() => this with { Divisor = 1 };

    private RopeScaling WithYarn(Func<string, GgufValue?> optional)
    {
        if (optional("yarn_log_multiplier") is { } multiplier && multiplier.AsNumber() != 0)
            throw multiplier.Refuse("0 (families write it in different units)", $"{multiplier}");
        // Portable, because a cache's identity has it.
        float length = Divisor > 1 ? (float)(1 + (0.1 * PortableMath.Log(Divisor))) : 1;
        // In some programs it replaces the length that the factor gives, in llama.cpp it does nothing.
        if (optional("yarn_attn_factor") is { } replaced && MathF.Abs(replaced.AsNumber() - length) > 1e-4f * length)
            throw replaced.Refuse($"{length}, which the factor gives,", $"{replaced}");
        GgufValue? extrapolated = optional("yarn_ext_factor");
        // Below 0 is not said.
        float share = extrapolated?.AsNumber() is { } said and >= 0 ? said : 1;
        if (share > 1) throw extrapolated!.Refuse("a number up to 1", $"{extrapolated}");
        float fast = optional("yarn_beta_fast") is { } f ? ModelConfig.AboveZero(f) : 32, slow = optional("yarn_beta_slow") is { } s ? ModelConfig.AboveZero(s) : 1;
        return this with { IsYarn = true, Kept = share > 0 ? new Ramp(FirstContext, fast, slow, share) : null, Magnitude = share > 0 ? Magnitude * length : Magnitude };
    }

    /// <summary>Pairs that turn at least <paramref name="Fast"/> times in the first context keep their speed, those that turn at most
    /// <paramref name="Slow"/> times do not, and between them it falls evenly.</summary>
    /// <param name="Context">Tokens of the first context.</param>
    /// <param name="Fast">Turns.</param>
    /// <param name="Slow">Turns.</param>
    /// <param name="Most">How much of its speed the fastest pair keeps: 0 to 1.</param>
    internal sealed record Ramp(int Context, float Fast, float Slow, float Most)
    {
        internal double Share(int pair, int dimension, double @base)
        {
            double first = Math.Max(0, Math.Floor(PairOfTurns(Fast))), last = Math.Min(dimension - 1, Math.Ceiling(PairOfTurns(Slow)));
            return Most * (1 - Math.Clamp((pair - first) / Math.Max(0.001, last - first), 0, 1));

            double PairOfTurns(double turns) => dimension * Math.Log(Context / (turns * Math.Tau)) / (2 * Math.Log(@base));
        }
    }
}
