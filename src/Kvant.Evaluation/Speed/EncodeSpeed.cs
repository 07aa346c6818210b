using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Metrics;
using Kvant.Evaluation.Sources;
using Kvant.Rotations;

namespace Kvant.Evaluation.Speed;

/// <summary>
/// How fast codecs encode rows on one thread, beside a plain copy and a rotation of the same rows, and how fast a cache takes tokens one by
/// one: all of them in turn in one process, every answer checked before it counts.
/// </summary>
internal sealed record EncodeSpeed
{
    // 256 KiB at 128 numbers: in the second-level cache, so that the machine's memory is not what is measured.
    private const int Rows = 512;

    // Decoded rows that lose more than this of their energy are wrong; one bit per number loses .36.
    private const double MostNmse = 0.9;

    /// <summary>Codecs to compare.</summary>
    public required IReadOnlyList<LayerSpecs> Pairs { get; init; }

    /// <summary>Policies of one layer to compare besides, such as presets.</summary>
    public IReadOnlyList<NamedPolicy> Policies { get; init; } = [];

    /// <summary>Numbers in a row, a key and a value.</summary>
    public int Dimension { get; init; } = 128;

    /// <summary>Key-value heads of the layer that tokens are appended to.</summary>
    public int KvHeads { get; init; } = 8;

    /// <summary>Tokens that are appended one by one in a round.</summary>
    public int Appends { get; init; } = 4096;

    /// <summary>Newest tokens in 16-bit floats.</summary>
    public int Window { get; init; } = KvCacheOptions.DefaultWindow;

    /// <summary>First tokens in 16-bit floats.</summary>
    public int Sinks { get; init; } = KvCacheOptions.DefaultSinks;

    /// <summary>How long each codec is measured, half of it encoding and half appending.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Measures.</summary>
    /// <param name="progress">Is told which share is done.</param>
    /// <param name="cancellation">Ends the run early.</param>
    /// <returns>One result per pair and per policy, in their order.</returns>
    /// <exception cref="ArgumentException">A codec does not take the dimension, or a policy has more layers than one.</exception>
    /// <exception cref="InvalidOperationException">An answer is wrong.</exception>
    public IReadOnlyList<EncodeSpeedResult> Run(Action<double>? progress = null, CancellationToken cancellation = default)
    {
        float[] rows = RandomVectors.Normal(Rows, Dimension, seed: 1), copy = new float[rows.Length];
        Rotation rotation = Rotation.Create("hadamard", Dimension, seed: 0);
        List<Contender> contenders = [new(_ => rows.CopyTo(copy, 0)), new(_ => Rotate(rotation, rows, copy))];
        var errors = new List<double>();
        Contestant[] contestants = Contestant.All(Pairs, Policies, layers: 1);
        foreach (Contestant contestant in contestants)
        {
            cancellation.ThrowIfCancellationRequested();
            (Codec keys, byte[] keyBlocks) = Room(contestant.Layers[0].Keys, CodecRole.KeyTiles, rows);
            (Codec values, byte[] valueBlocks) = Room(contestant.Layers[0].Values, CodecRole.ValueTiles, rows);
            errors.Add((Check(contestant.Name, keys, rows, keyBlocks) + Check(contestant.Name, values, rows, valueBlocks)) / 2);
            contenders.Add(new(_ =>
            {
                keys.Encode(rows, keyBlocks);
                values.Encode(rows, valueBlocks);
            }));
        }

        TimeSpan half = Time * Math.Max(1, contestants.Length) / 2;
        double[] medians = new Rounds { Time = half, Progress = share => progress?.Invoke(share / 2), Cancellation = cancellation }.Medians(contenders);
        using var appends = new AppendSpeed(this, contestants);
        (double Mean, double Closing, double Slowest, double Allocated)[] appended = appends.Measure(half, share => progress?.Invoke((1 + share) / 2), cancellation);
        return [.. contestants.Select((contestant, i) => new EncodeSpeedResult
        {
            Codec = contestant.Name,
            Dimension = Dimension,
            NsPerRow = medians[2 + i] / (2 * Rows),
            RatioToCopy = medians[2 + i] / (2 * medians[0]),
            RatioToRotation = medians[2 + i] / (2 * medians[1]),
            Nmse = errors[i],
            AppendMicroseconds = appended[i].Mean / 1e3,
            ClosingAppendMicroseconds = appended[i].Closing / 1e3,
            SlowestAppendMicroseconds = appended[i].Slowest / 1e3,
            AllocatedPerAppend = appended[i].Allocated,
        })];
    }

    internal KvCacheOptions Options(LayerPolicy policy) => new()
    {
        Geometry = new() { Layers = 1, KvHeads = KvHeads, KeyDimension = Dimension, ValueDimension = Dimension, Rotary = new() },
        Policy = policy,
        Window = Window,
        Sinks = Sinks,
    };

    /// <summary>The energy that decoded rows lost.</summary>
    /// <exception cref="InvalidOperationException">They have little to do with the rows.</exception>
    internal static double RequireNear(string spec, ReadOnlySpan<float> rows, ReadOnlySpan<float> decoded)
    {
        var error = new NormalizedError();
        error.Add(rows, decoded);
        return error.Value <= MostNmse
            ? error.Value
            : throw new InvalidOperationException($"What '{spec}' encodes decodes to rows with an error of {error.Value:0.###} of their energy; at most {MostNmse} is right.");
    }

    private static (Codec Codec, byte[] Blocks) Room(CodecSpec spec, CodecRole role, float[] rows)
    {
        Codec codec = spec.CreateCodec(rows.Length / Rows, role).Calibrate(rows);
        return (codec, new byte[Rows / codec.RowsPerBlock * codec.BytesPerBlock]);
    }

    // All blocks at once must be what they are one by one, and decode to the rows. That the bytes are right is for the tests to say.
    private double Check(string spec, Codec codec, float[] rows, byte[] blocks)
    {
        codec.Encode(rows, blocks);
        byte[] block = new byte[codec.BytesPerBlock];
        for (int i = 0; i < Rows / codec.RowsPerBlock; i++)
        {
            codec.Encode(rows.AsSpan(i * codec.RowsPerBlock * Dimension, codec.RowsPerBlock * Dimension), block);
            if (!block.AsSpan().SequenceEqual(blocks.AsSpan(i * block.Length, block.Length)))
                throw new InvalidOperationException($"'{spec}' encodes block {i} differently alone and among others.");
        }

        float[] decoded = new float[rows.Length];
        codec.Decode(blocks, decoded);
        return RequireNear(spec, rows, decoded);
    }

    private void Rotate(Rotation rotation, float[] rows, float[] rotated)
    {
        for (int i = 0; i < rows.Length; i += Dimension)
            rotation.Forward(rows.AsSpan(i, Dimension), rotated.AsSpan(i, Dimension));
    }
}
