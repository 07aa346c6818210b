using System.Runtime.CompilerServices;
using Kvant.Models.Formats;

namespace Kvant.Models.Kernels;

/// <summary>Where the parts of a <see cref="Bundle"/> lie: as many rows beside each other as a register has lanes, in pieces of 256 columns.</summary>
/// <remarks>A piece begins with the factors of its blocks, half precision, [block, scale or shift, row]; where blocks have several runs their units
/// follow, signed bytes, [run, scale, row], then [run, row] of the shifts. Behind them, at a multiple of 64 bytes, are the codes:
/// [run, <see cref="ICodeFormat.CodeBits"/>, row], 32 bits each. How 32 codes become these: <see cref="BundleCodes"/>.</remarks>
/// <typeparam name="TFormat">What the codes are.</typeparam>
internal static class BundleShape<TFormat>
    where TFormat : struct, ICodeFormat
{
    /// <summary>Runs of a whole piece; the last one of a row may have fewer.</summary>
    internal const int PieceRuns = Panel.Columns / RoundedVectors.Run;

    /// <summary>Factors of a block.</summary>
    internal static int Factors
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TFormat.HasShifts ? 2 : 1;
    }

    /// <summary>Units of a run.</summary>
    internal static int Units
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TFormat.BlockLength == RoundedVectors.Run ? 0 : TFormat.ScalesPerRun + (TFormat.HasShifts ? 1 : 0);
    }

    /// <summary>Where the units begin.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int UnitsAt(int runs, int lanes) => runs * RoundedVectors.Run / TFormat.BlockLength * Factors * lanes * sizeof(short);

    /// <summary>Where the codes begin.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CodesAt(int runs, int lanes) => (UnitsAt(runs, lanes) + (runs * Units * lanes) + 63) & ~63;

    /// <summary>Bytes of the codes of a run.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int RunBytes(int lanes) => TFormat.CodeBits * lanes * sizeof(uint);

    /// <summary>Bytes of a piece.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int PieceBytes(int runs, int lanes) => (CodesAt(runs, lanes) + (runs * RunBytes(lanes)) + 63) & ~63;

    /// <summary>Bytes of the rows of a register.</summary>
    internal static int GroupBytes(int runs, int lanes) =>
        checked((runs / PieceRuns * PieceBytes(PieceRuns, lanes)) + (runs % PieceRuns == 0 ? 0 : PieceBytes(runs % PieceRuns, lanes)));
}
