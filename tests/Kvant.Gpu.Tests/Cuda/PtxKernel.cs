namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Memory that threads of a work-group share, or that each has of its own, as it was declared.</summary>
internal sealed record PtxVariable(string Name, int Offset, int Bytes);

/// <summary>A kernel of a module, ready to run.</summary>
internal sealed class PtxKernel
{
    /// <summary>Slots of a frame that each thread begins with: its place in the group, threads of the group, the group, groups, its place in the warp, the warp.</summary>
    public const int ThreadSlot = 0, ThreadsSlot = 1, GroupSlot = 2, GroupsSlot = 3, LaneSlot = 4, WarpSlot = 5, FirstParameterSlot = 6;

    public required string Name { get; init; }

    /// <summary>Bytes of each parameter.</summary>
    public required IReadOnlyList<int> ParameterBytes { get; init; }

    /// <summary>The most threads of a group, as the text says.</summary>
    public required int MaxThreads { get; init; }

    /// <summary>The threads that a group must have; zero where the text does not say.</summary>
    public required int RequiredThreads { get; init; }

    /// <summary>The instructions; pinned, since they are run by address.</summary>
    public required PtxInstruction[] Code { get; init; }

    /// <summary>Slots of instructions that have many operands; pinned.</summary>
    public required int[] Lists { get; init; }

    /// <summary>The frame that a thread begins with: constants, and poison elsewhere.</summary>
    public required ulong[] Frame { get; init; }

    public required PtxSpace Shared { get; init; }

    public required PtxSpace Local { get; init; }
}

/// <summary>Where variables of one kind lie: apart from each other, so that what runs over the end of one is seen.</summary>
internal sealed class PtxSpace
{
    private const int Gap = 256;
    private readonly List<PtxVariable> _variables = [];

    /// <summary>Bytes that variables need without what lies between them here.</summary>
    public int Bytes { get; private set; }

    /// <summary>Bytes with what lies between them.</summary>
    public int Length { get; private set; } = Gap;

    /// <summary>Where memory begins that a launch adds.</summary>
    public int Dynamic => (Length + Gap - 1) / Gap * Gap;

    public IReadOnlyList<PtxVariable> Variables => _variables;

    public PtxVariable Add(string name, int bytes, int align)
    {
        int offset = (Length + align - 1) / align * align;
        var variable = new PtxVariable(name, offset, bytes);
        _variables.Add(variable);
        Bytes = (Bytes + align - 1) / align * align + bytes;
        Length = offset + bytes + Gap;
        return variable;
    }

    /// <summary>For each byte the number of the variable that it belongs to, from one; zero between them. What a launch adds lies at the end.</summary>
    public ushort[] Owners(int dynamic)
    {
        var owners = new ushort[Dynamic + dynamic + Gap];
        for (int i = 0; i < _variables.Count; i++)
            owners.AsSpan(_variables[i].Offset, _variables[i].Bytes).Fill((ushort)(i + 1));
        owners.AsSpan(Dynamic, dynamic).Fill((ushort)(_variables.Count + 1));
        return owners;
    }
}
