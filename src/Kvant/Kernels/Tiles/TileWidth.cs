using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary>The width of the tile kernels: the one in use, but none that the machine lacks, for their instructions are not emulated.</summary>
internal static unsafe class TileWidth
{
    /// <summary>The width.</summary>
    public static SimdWidth Active
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => (SimdWidth)Math.Min((int)SimdSupport.Active, (int)SimdSupport.Widest);
    }

    /// <summary>Asks for the lines of a unit that will be read soon.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fetch(byte* unit, int lines)
    {
        if (!Sse.IsSupported)
            return;
        Sse.Prefetch1(unit);
        Sse.Prefetch1(unit + 64);
        if (lines > 2)
            Sse.Prefetch1(unit + 128);
        if (lines > 3)
            Sse.Prefetch1(unit + 192);
    }
}

/// <summary>A number that is known when a kernel is compiled.</summary>
internal interface ICount
{
    static abstract int Value { get; }
}

/// <summary>1.</summary>
internal readonly struct One : ICount
{
    public static int Value => 1;
}

/// <summary>2.</summary>
internal readonly struct Two : ICount
{
    public static int Value => 2;
}

/// <summary>3.</summary>
internal readonly struct Three : ICount
{
    public static int Value => 3;
}

/// <summary>4.</summary>
internal readonly struct Four : ICount
{
    public static int Value => 4;
}

/// <summary>A number that is not known: as many fours as there are, then a two and a one.</summary>
internal readonly struct Many : ICount
{
    public static int Value => throw new NotSupportedException("Nobody knows how many.");
}
