namespace Kvant.Models.Decoding;

/// <summary>A feed-forward part of a layer: what <see cref="Up"/> gives is multiplied by what <see cref="Gate"/> lets through, and <see cref="Down"/> makes it as wide as a
/// token again. An expert is one of many.</summary>
internal sealed record GatedPart(Projection Gate, Projection Up, Projection Down);
