using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvant.Attention;
using Kvant.Kernels;
using Kvant.Models.Kernels;
using Kvant.Models.Weights;

namespace Kvant.Models.Formats;

/// <summary>Makes a <see cref="TensorFormat"/> of a definition of codes. The definition is a structure, so that the runtime compiles every use of
/// it as if each were written by hand.</summary>
internal sealed class CodeFormat<TFormat>() : TensorFormat(TFormat.Id, TFormat.Name, TFormat.BlockLength, TFormat.BlockBytes)
    where TFormat : struct, ICodeFormat
{
    // Runs whose scales are read at once.
    private const int Together = 8;

    internal override bool HasCodes => true;

    internal override void MultiplyRows(ReadOnlySpan<byte> rows, int count, RoundedVectors vectors, Span<float> products, int stride, Span<float> scratch, SimdWidth width) =>
        RowProducts.Multiply<TFormat>(rows, count, vectors, products, stride, scratch, width);

    internal override void MultiplyPanel(Panel panel, ReadOnlySpan<byte> rows, int count, RoundedVectors vectors)
    {
        const int PieceRuns = Panel.Columns / RoundedVectors.Run;
        ref byte first = ref MemoryMarshal.GetReference(rows);
        panel.Begin(vectors.Count);
        for (int run = 0; run < vectors.Runs; run += PieceRuns)
        {
            int runs = Math.Min(PieceRuns, vectors.Runs - run), offset = run * RoundedVectors.Run / BlockLength * BlockBytes;
            for (int row = 0; row < count; row++) panel.TakeCodes<TFormat>(row, ref Unsafe.Add(ref first, (row * (rows.Length / count)) + offset), runs);
            PanelProducts.AddCodes(panel, vectors, run, runs, TFormat.ScalesPerRun, TFormat.HasShifts);
        }
    }

    internal override Bundle? Bundle(WeightMatrix matrix, WorkerTeam team, SimdWidth width) => Kernels.Bundle.Of<TFormat>(matrix, team, width);

    internal override void MultiplyBundle(Bundle bundle, int group, int rows, RoundedVectors vectors, Span<float> products, int stride) =>
        BundleProducts.Multiply<TFormat>(bundle, group, rows, vectors, products, stride);

    internal override void MultiplyPanel(Panel panel, Bundle bundle, int group, int rows, RoundedVectors vectors)
    {
        panel.Begin(vectors.Count);
        int offset = 0;
        for (int run = 0; run < vectors.Runs; run += BundleShape<TFormat>.PieceRuns)
        {
            int runs = Math.Min(BundleShape<TFormat>.PieceRuns, vectors.Runs - run);
            for (int row = 0; row < rows; row += bundle.Lanes)
                panel.TakeBundle<TFormat>(row, ref Unsafe.Add(ref bundle.Group(group + (row / bundle.Lanes)), offset), runs);
            PanelProducts.AddCodes(panel, vectors, run, runs, TFormat.ScalesPerRun, TFormat.HasShifts);
            offset += BundleShape<TFormat>.PieceBytes(runs, bundle.Lanes);
        }
    }

    private protected override void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        StoreSink sink = new(numbers);
        Read(blocks, ref sink);
    }

    private protected override float DotBlocks(ReadOnlySpan<byte> blocks, ReadOnlySpan<float> vector)
    {
        DotSink sink = new(vector);
        Read(blocks, ref sink);
        return sink.Sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        Span<float> scales = stackalloc float[3 * Together];
        ref float scale = ref scales[0], shift = ref scales[2 * Together];
        int left = blocks.Length / TFormat.BlockBytes * (TFormat.BlockLength / 32);
        for (ref byte block = ref MemoryMarshal.GetReference(blocks); left > 0; block = ref Unsafe.Add(ref block, Together * 32 / TFormat.BlockLength * TFormat.BlockBytes))
        {
            int runs = Math.Min(left, Together);
            TFormat.ReadScales(ref block, runs, ref scale, ref shift);
            for (int run = 0; run < runs; run++)
            {
                RunCodes codes = TFormat.ReadCodes(ref block, run);
                Vector256<short> offset = Vector256.Create(TFormat.Offset);
                sink.Take(
                    new RunCodes(codes.First - offset, codes.Last - offset), Unsafe.Add(ref scale, run * TFormat.ScalesPerRun), Unsafe.Add(ref scale, (run * TFormat.ScalesPerRun) + TFormat.ScalesPerRun - 1),
                    TFormat.HasShifts ? Unsafe.Add(ref shift, run) : 0);
            }
            left -= runs;
        }
    }
}
