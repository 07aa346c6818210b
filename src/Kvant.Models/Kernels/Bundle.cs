using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvant.Attention;
using Kvant.Kernels;
using Kvant.Models.Formats;
using Kvant.Models.Weights;

namespace Kvant.Models.Kernels;

/// <summary>A copy of a matrix of codes, with as many rows beside each other as a register has lanes: what one token meets fastest. The same
/// codes and scales as in the file, in another order (<see cref="BundleShape{TFormat}"/>).</summary>
internal sealed class Bundle
{
    private const int Alignment = 64;

    private readonly byte[] _bytes;
    private readonly nuint _start;

    private Bundle(SimdWidth width, int groups, int groupBytes)
    {
        (Width, GroupBytes) = (width, groupBytes);
        // Pinned, so that what is aligned stays so; an array, so that nobody who still holds it reads memory that is not his.
        _bytes = GC.AllocateUninitializedArray<byte>(checked((groups * groupBytes) + Alignment), pinned: true);
        _start = (nuint)(-Marshal.UnsafeAddrOfPinnedArrayElement(_bytes, 0) & (Alignment - 1));
    }

    /// <summary>The registers that it is made for.</summary>
    internal SimdWidth Width { get; }

    /// <summary>Rows beside each other.</summary>
    internal int Lanes => LanesOf(Width);

    /// <summary>Bytes of as many rows as there are lanes.</summary>
    internal int GroupBytes { get; }

    /// <summary>What it takes.</summary>
    internal long Bytes => _bytes.Length;

    /// <summary>The first byte of a group.</summary>
    internal ref byte Group(int group) => ref Unsafe.AddByteOffset(ref MemoryMarshal.GetArrayDataReference(_bytes), _start + ((nuint)group * (nuint)GroupBytes));

    /// <summary>Copies a matrix.</summary>
    /// <param name="matrix">Of a format that has codes.</param>
    /// <param name="team">Who shares the work.</param>
    /// <param name="width">The registers to make it for.</param>
    /// <returns>Nothing where the copy would be too long for an array, or where a scale is no finite number, which bundles cannot say.</returns>
    internal static Bundle? Of<TFormat>(WeightMatrix matrix, WorkerTeam team, SimdWidth width)
        where TFormat : struct, ICodeFormat
    {
        int lanes = LanesOf(width), groups = (matrix.Rows + lanes - 1) / lanes;
        long groupBytes = BundleShape<TFormat>.GroupBytes(matrix.Columns / RoundedVectors.Run, lanes);
        if ((groups * groupBytes) + Alignment > Array.MaxLength) return null;
        Bundle bundle = new(width, groups, (int)groupBytes);
        int next = 0;
        bool finite = true;
        team.Run(_ =>
        {
            while (true)
            {
                int group = Interlocked.Increment(ref next) - 1;
                if (group >= groups) return;
                if (!bundle.Take<TFormat>(matrix, group)) finite = false;
            }
        });
        return finite ? bundle : null;
    }

    private static int LanesOf(SimdWidth width) => Math.Max((int)width, 128) / 32;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool Take<TFormat>(WeightMatrix matrix, int group)
        where TFormat : struct, ICodeFormat
    {
        ref byte start = ref Group(group);
        MemoryMarshal.CreateSpan(ref start, GroupBytes).Clear();
        int lanes = Lanes, runs = matrix.Columns / RoundedVectors.Run, first = group * lanes;
        bool finite = true;
        for (int row = 0; row < Math.Min(lanes, matrix.Rows - first); row++)
        {
            ref byte blocks = ref MemoryMarshal.GetReference(matrix.ReadRows(first + row, 1)), piece = ref start;
            for (int run = 0; run < runs; run += BundleShape<TFormat>.PieceRuns)
            {
                int count = Math.Min(BundleShape<TFormat>.PieceRuns, runs - run);
                finite &= TakePiece<TFormat>(ref Unsafe.Add(ref blocks, run * RoundedVectors.Run / TFormat.BlockLength * TFormat.BlockBytes), count, ref piece, lanes, row);
                piece = ref Unsafe.Add(ref piece, BundleShape<TFormat>.PieceBytes(count, lanes));
            }
        }

        return finite;
    }

    private static bool TakePiece<TFormat>(ref byte blocks, int runs, ref byte piece, int lanes, int row)
        where TFormat : struct, ICodeFormat
    {
        bool finite = true;
        Span<sbyte> units = stackalloc sbyte[16];
        Span<short> codes = stackalloc short[RoundedVectors.Run];
        Span<uint> lane = stackalloc uint[TFormat.CodeBits];
        ref short factors = ref Unsafe.As<byte, short>(ref Unsafe.Add(ref piece, row * sizeof(short)));
        for (int block = 0; block < runs * RoundedVectors.Run / TFormat.BlockLength; block++)
        {
            (short scale, short shift) = TFormat.ReadFactors(ref Unsafe.Add(ref blocks, block * TFormat.BlockBytes));
            finite &= Half.IsFinite(BitConverter.Int16BitsToHalf(scale)) && Half.IsFinite(BitConverter.Int16BitsToHalf(shift));
            Unsafe.Add(ref factors, block * BundleShape<TFormat>.Factors * lanes) = scale;
            if (TFormat.HasShifts) Unsafe.Add(ref factors, ((2 * block) + 1) * lanes) = shift;
        }

        if (BundleShape<TFormat>.Units != 0)
        {
            TFormat.ReadUnits(ref blocks, ref units[0]);
            ref byte to = ref Unsafe.Add(ref piece, BundleShape<TFormat>.UnitsAt(runs, lanes) + row);
            for (int i = 0; i < runs * BundleShape<TFormat>.Units; i++) Unsafe.Add(ref to, i * lanes) = (byte)units[i];
        }

        ref uint packed = ref Unsafe.As<byte, uint>(ref Unsafe.Add(ref piece, BundleShape<TFormat>.CodesAt(runs, lanes) + (row * sizeof(uint))));
        Vector256<short> least = Vector256.Create(TFormat.Least);
        for (int run = 0; run < runs; run++)
        {
            RunCodes both = TFormat.ReadCodes(ref blocks, run);
            (both.First - least).StoreUnsafe(ref codes[0]);
            (both.Last - least).StoreUnsafe(ref codes[16]);
            BundleCodes.Write(codes, TFormat.CodeBits, lane);
            foreach (uint bits in lane)
            {
                packed = bits;
                packed = ref Unsafe.Add(ref packed, lanes);
            }
        }

        return finite;
    }
}
