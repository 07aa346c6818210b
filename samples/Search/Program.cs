// Vectors in a search: 20,000 compressed vectors are scored against a query where they lie, with a built-in method and with one of our own.
using System.Numerics.Tensors;
using Kvant.Codecs;

const int Vectors = 20_000, Dimension = 128, Top = 10;
CodecCatalog.Register(SixBits.Method);
var random = new Random(1);
float[] vectors = [.. Enumerable.Range(0, Vectors * Dimension).Select(_ => (float)((random.NextDouble() * 2) - 1))];
// A query near vector 1,234.
float[] query = [.. vectors.AsSpan(1234 * Dimension, Dimension).ToArray().Select(x => x + (0.3f * (float)random.NextDouble()))];
int[] exact = Best(Enumerable.Range(0, Vectors).Select(i => TensorPrimitives.Dot<float>(query, vectors.AsSpan(i * Dimension, Dimension))));

bool found = true;
foreach (string spec in (string[])["turboquant:bits=4", "turboquant:bits=2", "sixbits"])
{
    // Key tiles are what the fastest kernels read; a tile has as many rows as a block.
    Codec codec = CodecSpec.Parse(spec).CreateCodec(Dimension, CodecRole.KeyTiles);
    int rows = (Vectors + codec.RowsPerBlock - 1) / codec.RowsPerBlock * codec.RowsPerBlock;
    float[] padded = new float[rows * Dimension];
    vectors.CopyTo(padded, 0);
    byte[] blocks = new byte[rows / codec.RowsPerBlock * codec.BytesPerBlock];
    codec.Encode(padded, blocks);

    PreparedQueries prepared = codec.CreatePreparedQueries(capacity: 1);
    codec.Prepare(query, prepared);
    float[] scores = new float[rows];
    codec.Score(prepared, blocks, scores, Arithmetic.Fast);
    int[] best = Best(scores.Take(Vectors));
    Console.WriteLine($"{spec,-18} {blocks.Length,10:N0} bytes instead of {vectors.Length * sizeof(float):N0}: finds vector {best[0]:N0}, and {best.Intersect(exact).Count()} of the {Top} best");
    found &= best[0] == exact[0];
}

return found ? 0 : 1;

static int[] Best(IEnumerable<float> scores) => [.. scores.Index().OrderByDescending(pair => pair.Item).Take(Top).Select(pair => pair.Index)];

/// <summary>A method of one's own: integers of 6 bits in a byte each, with one scale by row. Two methods make a codec; scores and sums follow from them.</summary>
internal sealed class SixBits(int dimension) : Codec(dimension, rowsPerBlock: 1, bytesPerBlock: sizeof(float) + dimension)
{
    public static CodecMethod Method { get; } = new("sixbits", "integers from -31 to 31, one scale per row", [], (_, dimension, _) => new SixBits(dimension));

    public override int ScaleBytesPerBlock => sizeof(float);

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
    {
        float scale = MathF.Abs(TensorPrimitives.MaxMagnitude(rows)) / 31;
        BitConverter.TryWriteBytes(block, scale);
        for (int i = 0; i < Dimension; i++)
            block[sizeof(float) + i] = (byte)(sbyte)(scale == 0 ? 0 : MathF.Round(rows[i] / scale));
    }

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        float scale = BitConverter.ToSingle(block);
        for (int i = 0; i < Dimension; i++)
            rows[i] = scale * (sbyte)block[sizeof(float) + i];
    }
}
