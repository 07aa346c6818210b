namespace Kvant.Gpu.Tests.Cuda;

/// <summary>What a thread does with an instruction besides running it.</summary>
internal enum PtxStep : byte
{
    /// <summary>Runs it and goes on.</summary>
    Plain,

    /// <summary>Goes on elsewhere.</summary>
    Branch,

    /// <summary>Waits for all threads of its work-group.</summary>
    Barrier,

    /// <summary>Waits for threads of its warp, which then run it at once.</summary>
    Together,

    /// <summary>Ends.</summary>
    Exit,
}

/// <summary>How a result is rounded to what its type can say.</summary>
internal enum PtxRounding : byte
{
    Nearest, Zero, Down, Up,
}

/// <summary>One instruction, ready to run: its operands are slots of the frame of a thread, where constants and parameters lie too.</summary>
internal unsafe struct PtxInstruction
{
    /// <summary>What it does, with the frame of the thread, or with that of a warp's first thread where the warp runs it together.</summary>
    public delegate*<PtxGroup, ulong*, PtxInstruction*, void> Run;

    public PtxStep Step;

    /// <summary>Whether it runs where its guard is false.</summary>
    public bool GuardNot;

    public PtxRounding Rounding;

    /// <summary>Subnormal operands and results are zero.</summary>
    public bool Flush;

    /// <summary>Results are held within [0, 1].</summary>
    public bool Saturate;

    /// <summary>Addresses have 32 bits.</summary>
    public bool Narrow;

    /// <summary>The slot of the predicate that guards it; below zero where it always runs.</summary>
    public int Guard;

    public int D, A, B, C;

    /// <summary>A number that the instruction means in its own way: bytes past an address, an operation, a table of bits.</summary>
    public int Number;

    /// <summary>Where operands beyond those named above begin in the list of the kernel, and how many they are.</summary>
    public int List, Count;

    /// <summary>The place of the instruction that a branch goes to.</summary>
    public int Target;

    /// <summary>The line of the text.</summary>
    public int Line;
}
