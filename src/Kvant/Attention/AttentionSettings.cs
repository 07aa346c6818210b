using Kvant.Codecs;

namespace Kvant.Attention;

/// <summary>How attention is computed; a model has one, or one per layer. What a layer looks at is part of its shape (<see cref="Caching.LayerGeometry"/>).</summary>
public sealed record AttentionSettings
{
    private readonly float? _scale;
    private readonly float _temperature = 1;
    private readonly float _softCap;
    private readonly int _threads = 1;

    /// <summary>The factor of the scores before the softmax, above 0. Null for 1 / sqrt(key dimension), as nearly all models have it.</summary>
    public float? Scale
    {
        get => _scale;
        init => _scale = value is null or > 0 and < float.PositiveInfinity ? value : throw Refused(nameof(Scale), value, "a number above 0");
    }

    /// <summary>Divides the scores once more, above 0: below 1 attention gets sharper, above 1 flatter. 1 unless said.</summary>
    public float Temperature
    {
        get => _temperature;
        init => _temperature = value is > 0 and < float.PositiveInfinity ? value : throw Refused(nameof(Temperature), value, "a number above 0");
    }

    /// <summary>The soft limit of scores, as Gemma 2 has it: x becomes cap * tanh(x / cap). 0, no limit, unless said.</summary>
    public float SoftCap
    {
        get => _softCap;
        init => _softCap = value is >= 0 and < float.PositiveInfinity ? value : throw Refused(nameof(SoftCap), value, "0 or a number above it");
    }

    /// <summary>Per query head, what is added to the logit for each position that a key lies behind the query, times -1 (ALiBi). Null for none.</summary>
    public IReadOnlyList<float>? Slopes { get; init; }

    /// <summary>Per query head, a logit that takes part in the softmax and has no value: what a head gives to it, it gives to no token (gpt-oss's attention sinks, 2025).
    /// Null for none.</summary>
    public IReadOnlyList<float>? SinkLogits { get; init; }

    /// <summary>Threads that work on a call, the calling one counted, at least 1. 1 unless said; nothing runs beside them.</summary>
    public int Threads
    {
        get => _threads;
        init => _threads = value >= 1 ? value : throw Refused(nameof(Threads), value, "at least 1");
    }

    /// <summary>Floats, or the integers of fast kernels where a codec has them; fast unless said.</summary>
    public Arithmetic Arithmetic { get; init; } = Arithmetic.Fast;

    /// <summary>Checks the lists, which must fit a layer.</summary>
    /// <exception cref="ArgumentException">One has not one finite number per query head.</exception>
    internal void RequireHeads(int queryHeads)
    {
        Require(Slopes, "slopes");
        Require(SinkLogits, "sink logits");

        void Require(IReadOnlyList<float>? numbers, string what)
        {
            if (numbers is null)
                return;
            if (numbers.Count != queryHeads)
                throw new ArgumentException($"There are {numbers.Count} {what}; there must be {queryHeads}, one per query head.");
            if (!numbers.All(float.IsFinite))
                throw new ArgumentException($"One of the {what} is {numbers.First(x => !float.IsFinite(x))}; {what} must be finite.");
        }
    }

    private static ArgumentOutOfRangeException Refused(string name, object? value, string wanted) => new(name, value, $"It is {value}; it must be {wanted}.");
}
