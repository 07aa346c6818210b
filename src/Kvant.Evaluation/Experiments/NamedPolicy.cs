using Kvant.Caching;

namespace Kvant.Evaluation.Experiments;

/// <summary>A policy to compare, with codecs of its own for each layer, such as one that <c>kvant tune</c> found.</summary>
/// <param name="Name">What it is called in reports.</param>
/// <param name="Layers">The codecs of each layer of the model.</param>
internal sealed record NamedPolicy(string Name, LayerPolicy Layers);
