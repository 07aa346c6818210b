using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvant.Kernels;

namespace Kvant.Models.Kernels;

/// <summary>Products of a piece of a <see cref="Panel"/> with many vectors: what reading a prompt is made of.</summary>
/// <remarks>Lanes are rows: two registers of them meet four vectors, whose numbers are broadcast, so that six loads serve eight multiplications
/// and there is no sum across lanes. Sums of integers run over the columns that share a scale, and are exact.</remarks>
internal static class PanelProducts
{
    private const int Run = RoundedVectors.Run;

    /// <summary>Adds the products of a piece of codes to the panel's sums.</summary>
    /// <param name="panel">The panel; its piece is full.</param>
    /// <param name="vectors">All of them.</param>
    /// <param name="firstRun">Where in the vectors the piece begins.</param>
    /// <param name="runs">Runs of the piece.</param>
    /// <param name="scalesPerRun">1 or 2.</param>
    /// <param name="hasShifts">Whether there are shifts.</param>
    internal static void AddCodes(Panel panel, RoundedVectors vectors, int firstRun, int runs, int scalesPerRun, bool hasShifts)
    {
        switch (panel.Width)
        {
            case SimdWidth.Bits512: Codes<Vector512<float>, PanelSimd512>(panel, vectors, firstRun, runs, scalesPerRun, hasShifts); break;
            case SimdWidth.Bits256: Codes<Vector256<float>, PanelSimd256>(panel, vectors, firstRun, runs, scalesPerRun, hasShifts); break;
            case SimdWidth.Bits128: Codes<Vector128<float>, PanelSimd128>(panel, vectors, firstRun, runs, scalesPerRun, hasShifts); break;
            default: CodesScalar(panel, vectors, firstRun, runs, scalesPerRun, hasShifts); break;
        }
    }

    /// <summary>Adds the products of a piece of floats to the panel's sums.</summary>
    /// <param name="panel">The panel; its piece is full.</param>
    /// <param name="vectors">All of them, each <paramref name="length"/> long.</param>
    /// <param name="length">The columns of the matrix.</param>
    /// <param name="first">Where in the vectors the piece begins.</param>
    /// <param name="columns">Columns of the piece.</param>
    internal static void AddNumbers(Panel panel, ReadOnlySpan<float> vectors, int length, int first, int columns)
    {
        switch (panel.Width)
        {
            case SimdWidth.Bits512: Numbers<Vector512<float>, PanelSimd512>(panel, vectors, length, first, columns); break;
            case SimdWidth.Bits256: Numbers<Vector256<float>, PanelSimd256>(panel, vectors, length, first, columns); break;
            case SimdWidth.Bits128: Numbers<Vector128<float>, PanelSimd128>(panel, vectors, length, first, columns); break;
            default: NumbersScalar(panel, vectors, length, first, columns); break;
        }
    }

    private static void CodesScalar(Panel panel, RoundedVectors vectors, int firstRun, int runs, int scalesPerRun, bool hasShifts)
    {
        int rows = panel.Rows, columns = Run / scalesPerRun;
        ref short words = ref Unsafe.As<float, short>(ref panel.Piece);
        for (int i = 0; i < vectors.Count * rows; i++)
        {
            int vector = i / rows, row = i % rows;
            for (int group = 0; group < runs * scalesPerRun; group++)
            {
                int run = (vector * vectors.Runs) + firstRun + (group / scalesPerRun), sum = 0;
                for (int column = group * columns; column < (group + 1) * columns; column++)
                    sum += Unsafe.Add(ref words, (((column / 2 * rows) + row) * 2) + (column % 2)) * vectors.Numbers[(vector * vectors.Columns) + (firstRun * Run) + column];
                Unsafe.Add(ref panel.Sums, i) += sum * (Unsafe.Add(ref panel.Scales, (group * rows) + row) * vectors.Scales[run]);
                if (hasShifts && group % scalesPerRun == 0)
                    Unsafe.Add(ref panel.Sums, i) += Unsafe.Add(ref panel.Shifts, (group / scalesPerRun * rows) + row) * vectors.Sums[run];
            }
        }
    }

    private static void NumbersScalar(Panel panel, ReadOnlySpan<float> vectors, int length, int first, int columns)
    {
        int rows = panel.Rows;
        for (int i = 0; i < vectors.Length / length * rows; i++)
        {
            for (int column = 0; column < columns; column++)
                Unsafe.Add(ref panel.Sums, i) += Unsafe.Add(ref panel.Piece, (column * rows) + (i % rows)) * vectors[(i / rows * length) + first + column];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Codes<TVector, TSimd>(Panel panel, RoundedVectors vectors, int firstRun, int runs, int scalesPerRun, bool hasShifts)
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        int rows = panel.Rows, lanes = TSimd.Lanes, columns = Run / scalesPerRun, last = vectors.Count - 1;
        for (int vector = 0; vector <= last; vector += Panel.Vectors)
        {
            // Where fewer than four are left, the last is read again and what comes of it is forgotten.
            int v1 = Math.Min(vector + 1, last), v2 = Math.Min(vector + 2, last), v3 = Math.Min(vector + 3, last);
            ref short x0 = ref Numbers(vector), x1 = ref Numbers(v1), x2 = ref Numbers(v2), x3 = ref Numbers(v3);
            ref float words = ref panel.Piece, scales = ref panel.Scales, shifts = ref panel.Shifts, to = ref Unsafe.Add(ref panel.Sums, vector * rows);
            TVector a0 = TSimd.Load(ref to), b0 = TSimd.Load(ref Unsafe.Add(ref to, lanes)), a1 = TSimd.Load(ref Unsafe.Add(ref to, rows)), b1 = TSimd.Load(ref Unsafe.Add(ref to, rows + lanes));
            TVector a2 = TSimd.Load(ref Unsafe.Add(ref to, 2 * rows)), b2 = TSimd.Load(ref Unsafe.Add(ref to, (2 * rows) + lanes)), a3 = TSimd.Load(ref Unsafe.Add(ref to, 3 * rows)), b3 = TSimd.Load(ref Unsafe.Add(ref to, (3 * rows) + lanes));
            for (int group = 0; group < runs * scalesPerRun; group++)
            {
                TVector i0 = default, j0 = default, i1 = default, j1 = default, i2 = default, j2 = default, i3 = default, j3 = default;
                for (int column = 0; column < columns; column += 2)
                {
                    TVector lower = TSimd.Load(ref words), upper = TSimd.Load(ref Unsafe.Add(ref words, lanes));
                    words = ref Unsafe.Add(ref words, rows);
                    (i0, j0) = (TSimd.AddPairs(i0, lower, ref Unsafe.Add(ref x0, column)), TSimd.AddPairs(j0, upper, ref Unsafe.Add(ref x0, column)));
                    (i1, j1) = (TSimd.AddPairs(i1, lower, ref Unsafe.Add(ref x1, column)), TSimd.AddPairs(j1, upper, ref Unsafe.Add(ref x1, column)));
                    (i2, j2) = (TSimd.AddPairs(i2, lower, ref Unsafe.Add(ref x2, column)), TSimd.AddPairs(j2, upper, ref Unsafe.Add(ref x2, column)));
                    (i3, j3) = (TSimd.AddPairs(i3, lower, ref Unsafe.Add(ref x3, column)), TSimd.AddPairs(j3, upper, ref Unsafe.Add(ref x3, column)));
                }

                x0 = ref Unsafe.Add(ref x0, columns);
                x1 = ref Unsafe.Add(ref x1, columns);
                x2 = ref Unsafe.Add(ref x2, columns);
                x3 = ref Unsafe.Add(ref x3, columns);
                int run = firstRun + (scalesPerRun == 1 ? group : group / 2);
                TVector scale = TSimd.Load(ref scales), scaleUpper = TSimd.Load(ref Unsafe.Add(ref scales, lanes));
                scales = ref Unsafe.Add(ref scales, rows);
                (a0, b0) = (TSimd.AddScaled(a0, i0, scale, Scale(vector, run)), TSimd.AddScaled(b0, j0, scaleUpper, Scale(vector, run)));
                (a1, b1) = (TSimd.AddScaled(a1, i1, scale, Scale(v1, run)), TSimd.AddScaled(b1, j1, scaleUpper, Scale(v1, run)));
                (a2, b2) = (TSimd.AddScaled(a2, i2, scale, Scale(v2, run)), TSimd.AddScaled(b2, j2, scaleUpper, Scale(v2, run)));
                (a3, b3) = (TSimd.AddScaled(a3, i3, scale, Scale(v3, run)), TSimd.AddScaled(b3, j3, scaleUpper, Scale(v3, run)));
                if (!hasShifts) continue;
                TVector shift = TSimd.Load(ref shifts), shiftUpper = TSimd.Load(ref Unsafe.Add(ref shifts, lanes));
                shifts = ref Unsafe.Add(ref shifts, rows);
                (a0, b0) = (TSimd.AddProduct(a0, shift, Sum(vector, run)), TSimd.AddProduct(b0, shiftUpper, Sum(vector, run)));
                (a1, b1) = (TSimd.AddProduct(a1, shift, Sum(v1, run)), TSimd.AddProduct(b1, shiftUpper, Sum(v1, run)));
                (a2, b2) = (TSimd.AddProduct(a2, shift, Sum(v2, run)), TSimd.AddProduct(b2, shiftUpper, Sum(v2, run)));
                (a3, b3) = (TSimd.AddProduct(a3, shift, Sum(v3, run)), TSimd.AddProduct(b3, shiftUpper, Sum(v3, run)));
            }

            Store<TVector, TSimd>(ref to, rows, a0, b0, a1, b1, a2, b2, a3, b3);
        }

        ref short Numbers(int vector) => ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(vectors.Numbers), ((nint)vector * vectors.Columns) + (firstRun * Run));

        float Scale(int vector, int run) => vectors.Scales[(vector * vectors.Runs) + run];

        float Sum(int vector, int run) => vectors.Sums[(vector * vectors.Runs) + run];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Numbers<TVector, TSimd>(Panel panel, ReadOnlySpan<float> vectors, int length, int first, int columns)
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        int rows = panel.Rows, lanes = TSimd.Lanes, last = (vectors.Length / length) - 1;
        ref float start = ref MemoryMarshal.GetReference(vectors);
        for (int vector = 0; vector <= last; vector += Panel.Vectors)
        {
            ref float x0 = ref Unsafe.Add(ref start, ((nint)vector * length) + first), x1 = ref Unsafe.Add(ref start, ((nint)Math.Min(vector + 1, last) * length) + first);
            ref float x2 = ref Unsafe.Add(ref start, ((nint)Math.Min(vector + 2, last) * length) + first), x3 = ref Unsafe.Add(ref start, ((nint)Math.Min(vector + 3, last) * length) + first);
            ref float numbers = ref panel.Piece, to = ref Unsafe.Add(ref panel.Sums, vector * rows);
            TVector a0 = default, b0 = default, a1 = default, b1 = default, a2 = default, b2 = default, a3 = default, b3 = default;
            for (int column = 0; column < columns; column++)
            {
                TVector lower = TSimd.Load(ref numbers), upper = TSimd.Load(ref Unsafe.Add(ref numbers, lanes));
                numbers = ref Unsafe.Add(ref numbers, rows);
                (a0, b0) = (TSimd.AddProduct(a0, lower, Unsafe.Add(ref x0, column)), TSimd.AddProduct(b0, upper, Unsafe.Add(ref x0, column)));
                (a1, b1) = (TSimd.AddProduct(a1, lower, Unsafe.Add(ref x1, column)), TSimd.AddProduct(b1, upper, Unsafe.Add(ref x1, column)));
                (a2, b2) = (TSimd.AddProduct(a2, lower, Unsafe.Add(ref x2, column)), TSimd.AddProduct(b2, upper, Unsafe.Add(ref x2, column)));
                (a3, b3) = (TSimd.AddProduct(a3, lower, Unsafe.Add(ref x3, column)), TSimd.AddProduct(b3, upper, Unsafe.Add(ref x3, column)));
            }

            // What the pieces before gave comes last, so that a sum has as many small steps as a piece has columns, not as the matrix has.
            Store<TVector, TSimd>(
                ref to, rows,
                TSimd.Add(a0, TSimd.Load(ref to)), TSimd.Add(b0, TSimd.Load(ref Unsafe.Add(ref to, lanes))),
                TSimd.Add(a1, TSimd.Load(ref Unsafe.Add(ref to, rows))), TSimd.Add(b1, TSimd.Load(ref Unsafe.Add(ref to, rows + lanes))),
                TSimd.Add(a2, TSimd.Load(ref Unsafe.Add(ref to, 2 * rows))), TSimd.Add(b2, TSimd.Load(ref Unsafe.Add(ref to, (2 * rows) + lanes))),
                TSimd.Add(a3, TSimd.Load(ref Unsafe.Add(ref to, 3 * rows))), TSimd.Add(b3, TSimd.Load(ref Unsafe.Add(ref to, (3 * rows) + lanes))));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TVector, TSimd>(ref float to, int rows, TVector a0, TVector b0, TVector a1, TVector b1, TVector a2, TVector b2, TVector a3, TVector b3)
        where TVector : struct
        where TSimd : IPanelSimd<TVector>
    {
        int lanes = TSimd.Lanes;
        TSimd.Store(a0, ref to);
        TSimd.Store(b0, ref Unsafe.Add(ref to, lanes));
        TSimd.Store(a1, ref Unsafe.Add(ref to, rows));
        TSimd.Store(b1, ref Unsafe.Add(ref to, rows + lanes));
        TSimd.Store(a2, ref Unsafe.Add(ref to, 2 * rows));
        TSimd.Store(b2, ref Unsafe.Add(ref to, (2 * rows) + lanes));
        TSimd.Store(a3, ref Unsafe.Add(ref to, 3 * rows));
        TSimd.Store(b3, ref Unsafe.Add(ref to, (3 * rows) + lanes));
    }
}
