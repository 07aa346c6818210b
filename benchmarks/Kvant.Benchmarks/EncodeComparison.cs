using Kvant.Codecs;
using Kvant.Kernels;
using Kvant.Numerics;
using Kvant.Rotations;

namespace Kvant.Benchmarks;

/// <summary>Encoding at d = 128 on one thread: nanoseconds per row, rows per second, and the ratio to a plain copy of the rows.</summary>
internal static class EncodeComparison
{
    private const int Dimension = 128;
    private const int Rows = 512; // 256 KiB: in the second-level cache, so that the machine's memory is not what is measured

    public static int Run()
    {
        float[] rows = SampleRows(Rows), copy = new float[rows.Length];
        Rotation rotation = RotationCatalog.Create("hadamard", Dimension, seed: 0);
        string[] specs = ["fp16", "turboquant:bits=2", "turboquant:bits=3", "turboquant:bits=4", "turboquant:bits=4,search=16", "q8_0", "q4_0"];
        List<(string Name, Action Action)> timed =
        [
            ("copy of the rows", () => rows.CopyTo(copy, 0)),
            ("hadamard rotation", () => Rotate(rotation, rows, copy)),
        ];
        foreach (string spec in specs)
        {
            Codec codec = CodecSpec.Parse(spec).CreateCodec(Dimension);
            byte[] blocks = new byte[Rows * codec.BytesPerBlock];
            Check(codec, rows, blocks);
            timed.Add(($"encode {spec}", () => codec.Encode(rows, blocks)));
        }

        double[] medians = Interleaved.Medians([.. timed.Select(t => t.Action)]);
        Console.WriteLine($"d = {Dimension}, one thread, {(int)SimdSupport.Widest}-bit registers, medians of interleaved rounds of {Rows} rows");
        Console.WriteLine($"{"",-34}{"ns/row",10}{"million rows/s",16}{"x copy",10}");
        for (int i = 0; i < medians.Length; i++)
            Console.WriteLine($"{timed[i].Name,-34}{medians[i] / Rows,10:F1}{1e3 * Rows / medians[i],16:F2}{medians[i] / medians[0],10:F1}");
        return 0;
    }

    internal static float[] SampleRows(int count)
    {
        var random = new SeededRandom(1);
        return [.. Enumerable.Range(0, count * Dimension).Select(_ => (float)random.NextGaussian())];
    }

    internal static void Rotate(Rotation rotation, float[] rows, float[] rotated)
    {
        for (int i = 0; i < rows.Length; i += Dimension)
            rotation.Forward(rows.AsSpan(i, Dimension), rotated.AsSpan(i, Dimension));
    }

    // A fast answer that is wrong is no answer: the bytes must be those of the scalar loops.
    internal static void Check(Codec codec, float[] rows, byte[] blocks)
    {
        SimdWidth width = SimdSupport.Active;
        SimdSupport.Active = SimdWidth.Scalar;
        codec.Encode(rows, blocks);
        byte[] scalar = [.. blocks];
        SimdSupport.Active = width;
        codec.Encode(rows, blocks);
        if (!scalar.AsSpan().SequenceEqual(blocks))
            throw new InvalidOperationException("The wide kernels do not write the bytes of the scalar loops.");
    }
}
