using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>How one layer is compressed: a codec for its keys and one for its values, and others for tokens as they age.</summary>
/// <param name="Keys">The codec of its keys.</param>
/// <param name="Values">The codec of its values.</param>
public sealed record LayerSpecs(CodecSpec Keys, CodecSpec Values)
{
    /// <summary>The most steps of <see cref="Ages"/>.</summary>
    public const int MostAges = StepEnds.Count;

    private readonly AgeStep[] _ages = [];

    /// <summary>What tokens become as they age, the youngest step first; none unless said. A token leaves the window for <see cref="Keys"/> and <see cref="Values"/>, and is decoded and coded again
    /// at each step; a side whose codec stays the same keeps its bytes.</summary>
    /// <exception cref="ArgumentException">Ages do not grow, or there are more than <see cref="MostAges"/> steps.</exception>
    public IReadOnlyList<AgeStep> Ages
    {
        get => _ages;
        init
        {
            _ages = [.. value];
            if (_ages.Length > MostAges)
                throw new ArgumentException($"There are {_ages.Length} steps by age; at most {MostAges} are possible.", nameof(value));
            for (int i = 1; i < _ages.Length; i++)
            {
                if (_ages[i].Age <= _ages[i - 1].Age && (_ages[i].Age < _ages[i - 1].Age || _ages[i].Age < AgeStep.WhenFull))
                    throw new ArgumentException($"Ages must grow from step to step; {_ages[i].Age} follows {_ages[i - 1].Age}.", nameof(value));
            }
        }
    }

    /// <summary>What this layer forgets by itself; null for what the cache's options say (<see cref="KvCacheOptions.Eviction"/>).</summary>
    public Eviction? Eviction { get; init; }

    /// <summary>The codecs of its oldest tokens as long as nothing else makes them smaller: those of the last step that has an age, or its own where there is none.</summary>
    public LayerSpecs Oldest => Array.FindLast(_ages, step => step.Age < AgeStep.WhenFull) is { } last ? new(last.Keys, last.Values) : new(Keys, Values);

    /// <summary>The same with two steps more for when the cache is full: one side in another codec than the oldest have, then both.</summary>
    internal LayerSpecs Above(LayerSpecs to, bool keysFirst = false)
    {
        LayerSpecs from = Oldest;
        if (from.Keys == to.Keys && from.Values == to.Values)
            return this;
        AgeStep both = new(AgeStep.WhenFull, to.Keys, to.Values), first = keysFirst ? new(AgeStep.WhenFull, to.Keys, from.Values) : new(AgeStep.WhenFull, from.Keys, to.Values);
        return this with { Ages = [.. _ages, .. from.Keys == to.Keys || from.Values == to.Values ? [] : (AgeStep[])[first], both] };
    }

    /// <summary>All specs, the newest first.</summary>
    internal IEnumerable<(CodecSpec Keys, CodecSpec Values)> Steps => _ages.Select(step => (step.Keys, step.Values)).Prepend((Keys, Values));

    /// <summary>The same codec for keys and values.</summary>
    /// <param name="spec">The codec.</param>
    public static LayerSpecs Both(CodecSpec spec) => new(spec, spec);

    /// <summary>Reads two specs.</summary>
    /// <param name="keys">Of the keys.</param>
    /// <param name="values">Of the values; null for the same as the keys.</param>
    /// <exception cref="FormatException">A spec is not valid.</exception>
    public static LayerSpecs Parse(string keys, string? values = null) => new(CodecSpec.Parse(keys), CodecSpec.Parse(values ?? keys));

    /// <summary>Reads what <see cref="ToString"/> writes, such as <c>q8; 512: balanced; 2048: turboquant:bits=3,mean=32 / turboquant:bits=3</c>: codecs, then steps by age behind semicolons. The name of a preset
    /// stands for its codecs.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="FormatException">It is none; the message says which part.</exception>
    public static LayerSpecs FromText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(';');
        LayerSpecs newest = Pair(parts[0]);
        var ages = new AgeStep[parts.Length - 1];
        for (int i = 0; i < ages.Length; i++)
        {
            string step = parts[i + 1].Trim();
            int colon = step.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0 || !AgeStep.TryParseAge(step.AsSpan(0, colon).Trim(), out int age))
                throw new FormatException($"'{step}' is no step by age; an age in tokens, a colon and codecs are wanted, such as '512: balanced'.");
            LayerSpecs pair = Pair(step[(colon + 1)..]);
            ages[i] = new(age, pair.Keys, pair.Values);
        }

        try
        {
            // A preset may have steps of its own, which stand unless others are given.
            return ages.Length == 0 ? newest : newest with { Ages = ages };
        }
        catch (ArgumentException e)
        {
            throw new FormatException(e.Message, e);
        }
    }

    /// <summary>The same with other codecs in every step.</summary>
    /// <param name="keys">The codec of all keys, or null to leave them.</param>
    /// <param name="values">The codec of all values, or null to leave them.</param>
    public LayerSpecs With(CodecSpec? keys, CodecSpec? values) => this with
    {
        Keys = keys ?? Keys,
        Values = values ?? Values,
        Ages = [.. _ages.Select(step => new AgeStep(step.Age, keys ?? step.Keys, values ?? step.Values))],
    };

    /// <inheritdoc/>
    public bool Equals(LayerSpecs? other) =>
        other is not null && Keys == other.Keys && Values == other.Values && Equals(Eviction, other.Eviction) && _ages.AsSpan().SequenceEqual(other._ages);

    /// <inheritdoc/>
    public override int GetHashCode() => _ages.Aggregate(HashCode.Combine(Keys, Values, Eviction), HashCode.Combine);

    /// <summary>A short name: one spec where both are the same, else <c>keys / values</c>, then the steps by age.</summary>
    public override string ToString() => string.Join("; ", _ages.Select(step => step.ToString()).Prepend(Keys.Equals(Values) ? Keys.ToString() : $"{Keys} / {Values}"));

    private static LayerSpecs Pair(string text)
    {
        if (CachePreset.Find(text.Trim()) is { } preset)
            return preset.ForLayers(1)[0];
        string[] sides = text.Split('/');
        return sides.Length <= 2 ? Parse(sides[0].Trim(), sides[^1].Trim()) : throw new FormatException($"'{text.Trim()}' has {sides.Length} codecs; one for keys and one for values are wanted.");
    }
}
