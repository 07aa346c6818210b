namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Instructions that move values and change none.</summary>
internal static unsafe class PtxMoves
{
    /// <summary>Generic addresses of shared and of local memory begin where no allocation lies.</summary>
    public const ulong SharedWindow = 1ul << 62, LocalWindow = 3ul << 61;

    public static PtxInstruction Move(PtxForm form)
    {
        PtxType type = form.Type;
        if (form.IsMany(1))
        {
            int[] parts = form.Many(1, Part(form, type));
            return new() { Run = &Pack, D = form.Target(0, type), List = form.List(parts), Count = parts.Length, Number = type.Size() / parts.Length };
        }

        if (form.IsMany(0))
        {
            int[] parts = form.Many(0, Part(form, type));
            return new() { Run = &Unpack, A = form.Source(1, type), List = form.List(parts), Count = parts.Length, Number = type.Size() / parts.Length };
        }

        return new() { Run = &Copy, D = form.Target(0, type), A = form.Source(1, type) };
    }

    public static PtxInstruction Select(PtxForm form)
    {
        PtxType type = form.Type;
        var instruction = new PtxInstruction { D = form.Target(0, type), A = form.Source(1, type), B = form.Source(2, type) };
        if (form.Name == "selp")
            instruction.Run = &Choose;
        else
            instruction.Run = form.Types is [_, PtxType.F32] ? &ChooseFloat : form.Types is [_, PtxType.S32] ? &ChooseInteger : throw form.Unsupported("the second type is not known");
        // Subnormals compare with zero as zero does in either way of rounding.
        form.Take("ftz");
        instruction.C = form.Source(3, form.Name == "selp" ? PtxType.Pred : form.Types[1]);
        return instruction;
    }

    public static PtxInstruction Convert(PtxForm form)
    {
        bool to = form.Take("to");
        string space = form.TakeOne("global", "shared", "local") ?? throw form.Unsupported("the space is not known");
        if (form.Type != PtxType.U64)
            throw form.Unsupported("addresses have 64 bits");
        ulong window = space == "shared" ? SharedWindow : space == "local" ? LocalWindow : 0;
        // Added or taken away: to have the one is to add the other's negative.
        return new() { Run = &Shift, D = form.Target(0, PtxType.U64), A = form.Source(1, PtxType.U64), Number = (int)((to ? 0 - window : window) >> 60) };
    }

    public static void Copy(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = r[i->A];

    private static PtxType Part(PtxForm form, PtxType type)
    {
        int index = form.IsMany(0) ? 0 : 1;
        int size = type.Size() / form.Operand(index).Split(',').Length;
        return size switch { 1 => PtxType.B8, 2 => PtxType.B16, 4 => PtxType.B32, _ => throw form.Unsupported("the parts are not known") };
    }

    private static void Shift(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = r[i->A] + ((ulong)i->Number << 60);

    private static void Choose(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = r[i->C] != 0 ? r[i->A] : r[i->B];

    private static void ChooseInteger(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = *(int*)(r + i->C) >= 0 ? r[i->A] : r[i->B];

    // Not a number chooses the second.
    private static void ChooseFloat(PtxGroup group, ulong* r, PtxInstruction* i) => r[i->D] = *(float*)(r + i->C) >= 0 ? r[i->A] : r[i->B];

    private static void Pack(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        ulong value = 0;
        int bits = 8 * i->Number;
        for (int part = 0; part < i->Count; part++)
            value |= (r[group.Lists[i->List + part]] & ((1ul << bits) - 1)) << (part * bits);
        r[i->D] = value;
    }

    private static void Unpack(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        ulong value = r[i->A];
        for (int part = 0; part < i->Count; part++)
            r[group.Lists[i->List + part]] = value >> (part * 8 * i->Number);
    }
}
