// Vectors in a search: 20,000 of them are compressed, and a query meets all of them where they lie.
using System.Numerics.Tensors;
using Kvant.Codecs;
using Kvant.Search;

const int Vectors = 20_000, Dimension = 128, Top = 10;
var random = new Random(1);
float[] vectors = [.. Enumerable.Range(0, Vectors * Dimension).Select(_ => (float)((random.NextDouble() * 2) - 1))];
// A query near vector 1,234, and the vectors that are best for it.
float[] query = [.. vectors.AsSpan(1234 * Dimension, Dimension).ToArray().Select(x => x + (0.3f * (float)random.NextDouble()))];
int[] exact = [.. Enumerable.Range(0, Vectors).OrderByDescending(i => TensorPrimitives.Dot<float>(query, vectors.AsSpan(i * Dimension, Dimension))).Take(Top)];

bool found = true;
foreach ((string spec, int fewest) in (ReadOnlySpan<(string, int)>)[("turboquant:bits=4", 8), ("turboquant:bits=3", 7), ("turboquant:bits=2", 4)])
{
    using var index = new VectorIndex(CodecSpec.Parse(spec), Dimension);
    // Any number at a time; they can be searched at once.
    for (int first = 0; first < Vectors; first += 1000)
        index.Add(vectors.AsSpan(first * Dimension, 1000 * Dimension));
    ScoredVector[] best = index.Search(query, Top);
    int right = best.Count(vector => exact.Contains(vector.Index));
    Console.WriteLine($"{spec,-18} {index.Bytes,10:N0} bytes instead of {vectors.Length * sizeof(float):N0}: finds vector {best[0].Index:N0}, and {right} of the {Top} best");
    found &= best[0].Index == exact[0] && right >= fewest;
}

return found ? 0 : 1;
