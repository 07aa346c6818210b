using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvant.Codecs;
using Kvant.Kernels;
using Kvant.Numerics;

namespace Kvant.Benchmarks;

/// <summary>
/// Attention at d = 128 with four query heads per key-value head, on one thread, in runs of 128 tokens: nanoseconds per token of Score and
/// of Accumulate, beside fp32 over the same tokens and a bare read of the same bytes. Hot repeats one layer of 8 heads of 1,024 tokens;
/// cold walks through 384 MB.
/// </summary>
internal static class RowsComparison
{
    private const int Dimension = 128;
    private const int Queries = 4;
    private const int RunRows = 128;
    private const int HotRows = 8 * 1024;
    private const long ColdBytes = 192L << 20; // keys; as much again for the values

    private static readonly string[] s_specs = ["fp32", "fp16", "bf16", "q8", "q8_0", "q4_0", "kivi:bits=4", "kivi:bits=2", "turboquant:bits=4", "polar32:bits=3"];

    public static int Run(string[] specs)
    {
        Console.WriteLine($"d = {Dimension}, {Queries} queries, one thread, {(int)SimdSupport.Active}-bit registers; ns per token of score / accumulate / bare read, then total as a share of fp32 and million tokens/s");
        Console.WriteLine($"{"",-20}{"hot: score",12}{"accumulate",12}{"read",8}{"x fp32",9}{"M/s",8}   {"cold: score",12}{"accumulate",12}{"read",8}{"x fp32",9}{"M/s",8}");
        foreach (string spec in specs.Length > 0 ? specs : s_specs)
        {
            Console.Write($"{spec,-20}");
            var baseline = new Case("fp32", 0);
            var hot = new Case(spec, 0);
            hot.Check();
            Print(baseline, hot, 301);
            Console.Write("   ");
            Print(new Case("fp32", ColdBytes), new Case(spec, ColdBytes), 9);
            Console.WriteLine();
        }

        return 0;
    }

    private static void Print(Case baseline, Case codec, int rounds)
    {
        double[][] t = Interleaved.Rounds([baseline.Score, baseline.Accumulate, codec.Score, codec.Accumulate, codec.Read], rounds);
        double ratio = Interleaved.Median(Enumerable.Range(0, rounds).Select(i => (t[2][i] + t[3][i]) / codec.Rows / ((t[0][i] + t[1][i]) / baseline.Rows)));
        double[] own = [.. t[2..].Select(times => Interleaved.Median(times) / codec.Rows)];
        Console.Write($"{own[0],12:F1}{own[1],12:F1}{own[2],8:F1}{ratio,9:F2}{1e3 / (own[0] + own[1]),8:F1}");
    }

    private sealed class Case
    {
        private readonly Codec _keys;
        private readonly Codec _values;
        private readonly Memory<byte> _keyBlocks;
        private readonly Memory<byte> _valueBlocks;
        private readonly PreparedQueries _prepared;
        private readonly float[] _scores = new float[Queries * RunRows];
        private readonly float[] _accumulators = new float[Queries * Dimension];

        public Case(string spec, long bytes)
        {
            _keys = CodecSpec.Parse(spec).CreateCodec(Dimension, CodecRole.Keys);
            _values = CodecSpec.Parse(spec).CreateCodec(Dimension, CodecRole.Values);
            float[] rows = Random(RunRows);
            byte[] keys = _keys.Encode(rows), values = _values.Encode(rows);
            int runs = Math.Max(HotRows / RunRows, (int)(bytes / keys.Length));
            Rows = runs * RunRows;
            _keyBlocks = Repeat(keys, runs);
            _valueBlocks = Repeat(values, runs);
            _prepared = _keys.CreatePreparedQueries(Queries);
            _keys.Prepare(Random(Queries), _prepared);
        }

        public int Rows { get; }

        public void Score() => OverRuns(_keyBlocks, (run, upcoming) => _keys.Score(_prepared, run, _scores, Arithmetic.Exact, upcoming));

        public void Accumulate() => OverRuns(_valueBlocks, (run, upcoming) => _values.Accumulate(_scores, run, _accumulators, Arithmetic.Exact, upcoming));

        public void Read() => _scores[0] = Sum(_keyBlocks.Span) + Sum(_valueBlocks.Span);

        // A fast answer that is wrong is no answer: decode-then-dot in double precision decides.
        public void Check()
        {
            Array.Clear(_accumulators);
            float[] keys = _keys.Decode(_keyBlocks.Span.Slice(0, RunRows / _keys.RowsPerBlock * _keys.BytesPerBlock)), values = _values.Decode(_valueBlocks.Span.Slice(0, RunRows / _values.RowsPerBlock * _values.BytesPerBlock));
            float[] queries = Random(Queries), outputs = new float[_accumulators.Length];
            _keys.Score(_prepared, _keyBlocks.Span.Slice(0, RunRows / _keys.RowsPerBlock * _keys.BytesPerBlock), _scores);
            _values.Accumulate(_scores, _valueBlocks.Span.Slice(0, RunRows / _values.RowsPerBlock * _values.BytesPerBlock), _accumulators);
            _values.Finish(_accumulators, outputs);
            for (int q = 0; q < Queries; q++)
            {
                for (int r = 0; r < RunRows; r++)
                    Near(Enumerable.Range(0, Dimension).Sum(c => (double)queries[(q * Dimension) + c] * keys[(r * Dimension) + c]), _scores[(q * RunRows) + r]);
                for (int c = 0; c < Dimension; c++)
                    Near(Enumerable.Range(0, RunRows).Sum(r => (double)_scores[(q * RunRows) + r] * values[(r * Dimension) + c]), outputs[(q * Dimension) + c]);
            }
        }

        private static uint Sum(ReadOnlySpan<byte> bytes)
        {
            ref byte start = ref MemoryMarshal.GetReference(bytes);
            Vector512<uint> a = default, b = default, c = default, d = default;
            for (int i = 0; i + 256 <= bytes.Length; i += 256)
            {
                a += Vector512.LoadUnsafe(ref start, (nuint)i).AsUInt32();
                b += Vector512.LoadUnsafe(ref start, (nuint)i + 64).AsUInt32();
                c += Vector512.LoadUnsafe(ref start, (nuint)i + 128).AsUInt32();
                d += Vector512.LoadUnsafe(ref start, (nuint)i + 192).AsUInt32();
            }

            return Vector512.Sum(a + b + c + d);
        }

        private static void Near(double wanted, float found)
        {
            if (!(Math.Abs(wanted - found) < 0.02))
                throw new InvalidOperationException($"The kernel says {found}; it is {wanted}.");
        }

        private void OverRuns(Memory<byte> memory, Action<ReadOnlySpan<byte>, ReadOnlySpan<byte>> step)
        {
            ReadOnlySpan<byte> blocks = memory.Span;
            int length = (int)((long)blocks.Length * RunRows / Rows);
            for (int at = 0; at < blocks.Length; at += length)
                step(blocks.Slice(at, length), at + length < blocks.Length ? blocks.Slice(at + length, length) : default);
        }

        // From a cache line on, as a cache keeps its pages.
        private static Memory<byte> Repeat(byte[] run, int count)
        {
            byte[] buffer = GC.AllocateUninitializedArray<byte>((run.Length * count) + 64, pinned: true);
            int skip = (int)(-Marshal.UnsafeAddrOfPinnedArrayElement(buffer, 0) & 63);
            Memory<byte> all = buffer.AsMemory(skip, run.Length * count);
            for (int i = 0; i < count; i++)
                run.CopyTo(all[(i * run.Length)..]);
            return all;
        }

        private static float[] Random(int rows)
        {
            var random = new SeededRandom((ulong)rows);
            return [.. Enumerable.Range(0, rows * Dimension).Select(_ => (float)random.NextGaussian())];
        }
    }
}
