using Kvant.Caching;

namespace Kvant.Formats;

/// <summary>
/// A policy that was chosen for a model, as <c>kvant tune</c> writes it: which codecs each layer uses, the sinks and the window it was chosen
/// with, and which model it is for. <see cref="CachePolicyFile"/> reads and writes it.
/// </summary>
public sealed record CachePolicy
{
    /// <summary>The shape of the model's cache; layers may differ. What decides how rows are stored counts, not how many queries there are and how far they see.</summary>
    public required CacheGeometry Geometry { get; init; }

    /// <summary>The codecs of each layer.</summary>
    public required LayerPolicy Layers { get; init; }

    /// <summary>First tokens that are never compressed.</summary>
    public required int Sinks { get; init; }

    /// <summary>Newest tokens that are not compressed yet.</summary>
    public required int Window { get; init; }

    /// <summary>The SHA-256 of the model's file in small hexadecimal digits, which the policy is bound to; null for any model of the shape.</summary>
    public string? SourceHash { get; init; }

    /// <summary>What was measured when the policy was chosen, for people: names and values. Nothing depends on it.</summary>
    public IReadOnlyDictionary<string, string> Notes { get; init; } = new Dictionary<string, string>();

    /// <summary>Options for a cache that follows the policy.</summary>
    public KvCacheOptions CreateOptions() => new() { Geometry = Geometry, Policy = Layers, Sinks = Sinks, Window = Window };
}
