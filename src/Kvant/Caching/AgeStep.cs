using System.Globalization;
using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>How tokens are stored once so many others are newer: a step of a layer's ladder by age (<see cref="LayerSpecs.Ages"/>).</summary>
/// <param name="Age">Tokens that are newer, 1 or more: rows move to this step in whole blocks, as soon as at least so many are newer than the newest of them.</param>
/// <param name="Keys">The codec of keys from then on.</param>
/// <param name="Values">The codec of values from then on.</param>
public sealed record AgeStep(int Age, CodecSpec Keys, CodecSpec Values)
{
    /// <summary>The age of a step that takes tokens as the cache fills (<see cref="KvCacheOptions.MemoryLimit"/>), and none without a limit; <c>full</c> in text.</summary>
    public const int WhenFull = int.MaxValue - 1;

    /// <summary>The age of a step that no token reaches by itself: <see cref="KvCache.Recode"/> makes such steps; <c>never</c> in text.</summary>
    public const int Never = int.MaxValue;

    /// <summary>Tokens that are newer, 1 or more.</summary>
    public int Age { get; } = Age >= 1 ? Age : throw new ArgumentOutOfRangeException(nameof(Age), Age, "A step begins at an age of at least 1 token.");

    /// <summary>As it is written in a policy: <c>512: keys / values</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{(Age == Never ? "never" : Age == WhenFull ? "full" : Age)}: {new LayerSpecs(Keys, Values)}");

    /// <summary>Reads an age as <see cref="ToString"/> writes it.</summary>
    internal static bool TryParseAge(ReadOnlySpan<char> text, out int age)
    {
        age = text is "never" ? Never : text is "full" ? WhenFull : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < WhenFull ? number : 0;
        return age >= 1;
    }
}
