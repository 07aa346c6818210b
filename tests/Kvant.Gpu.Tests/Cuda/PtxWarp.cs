using System.Numerics;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Instructions that threads of a warp run together. They get the frame of its first thread.</summary>
internal static unsafe class PtxWarp
{
    public static PtxInstruction Decode(PtxForm form)
    {
        if (!form.Take("sync"))
            throw form.Unsupported("only those that say .sync are known");
        var i = new PtxInstruction { Step = PtxStep.Together };
        switch (form.Name)
        {
            case "shfl" when form.Type == PtxType.B32:
                string[] targets = form.Operand(0).Split('|', StringSplitOptions.TrimEntries);
                i.Number = Array.IndexOf(["up", "down", "bfly", "idx"], form.TakeOne("up", "down", "bfly", "idx") ?? throw form.Unsupported("the way is not said"));
                i.List = form.List(form.Find(targets[0], PtxType.B32, false), targets.Length > 1 ? form.Find(targets[1], PtxType.Pred, false) : -1,
                    form.Source(1, PtxType.B32), form.Source(2, PtxType.B32), form.Source(3, PtxType.B32));
                i.C = form.Source(4, PtxType.B32);
                i.Run = &Shuffle;
                return i;
            case "vote":
                string mode = form.TakeOne("all", "any", "uni", "ballot") ?? throw form.Unsupported("the vote is not known");
                i.Number = Array.IndexOf(["all", "any", "uni", "ballot"], mode);
                string source = form.Operand(1);
                (i.D, i.C) = (form.Target(0, mode == "ballot" ? PtxType.B32 : PtxType.Pred), form.Source(2, PtxType.B32));
                (i.A, i.Saturate) = (form.Find(source.TrimStart('!').Trim(), PtxType.Pred, false), source.StartsWith('!'));
                i.Run = &Vote;
                return i;
            case "redux" when form.Type is PtxType.U32 or PtxType.S32 or PtxType.B32:
                string[] names = form.Type == PtxType.B32 ? ["and", "or", "xor"] : ["add", "min", "max"];
                i.Number = Array.IndexOf(names, form.TakeOne(names) ?? throw form.Unsupported("the operation is not known"));
                (i.D, i.A, i.C) = (form.Target(0, form.Type), form.Source(1, form.Type), form.Source(2, PtxType.B32));
                i.Run = form.Type == PtxType.B32 ? &ReduceBits : form.Type == PtxType.S32 ? &Reduce<int> : &Reduce<uint>;
                return i;
            default:
                throw form.Unsupported("the type is not known");
        }
    }

    /// <summary>What threads of the warp touched before lies before what they touch after.</summary>
    public static void Synchronize(PtxGroup group, ulong* r, PtxInstruction* i) => group.Races.WarpBarrier(group.Thread >> 5);

    private static void Shuffle(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        int* list = group.Lists + i->List;
        ulong* values = stackalloc ulong[32];
        for (int lane = 0; lane < 32; lane++)
            values[lane] = (group.Mask >> lane & 1) != 0 ? (uint)r[lane * group.Slots + list[2]] : 0;
        for (int lane = 0; lane < 32; lane++)
        {
            if ((group.Mask >> lane & 1) == 0)
                continue;
            ulong* frame = r + lane * group.Slots;
            int by = (int)frame[list[3]] & 31, clamp = (int)frame[list[4]] & 31, segment = (int)(frame[list[4]] >> 8) & 31;
            int last = lane & segment | clamp & ~segment, first = lane & segment;
            (int from, bool valid) = i->Number switch
            {
                0 => (lane - by, lane - by >= last),
                1 => (lane + by, lane + by <= last),
                2 => (lane ^ by, (lane ^ by) <= last),
                _ => (first | by & ~segment, (first | by & ~segment) <= last),
            };
            from = valid ? from : lane;
            if ((group.Mask >> from & 1) == 0)
                throw group.Fault(i, $"lane {lane} asks for the value of lane {from}, which does not take part");
            frame[list[0]] = values[from];
            if (list[1] >= 0)
                frame[list[1]] = valid ? 1ul : 0;
        }
    }

    private static void Vote(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        uint ballot = 0;
        for (int lane = 0; lane < 32; lane++)
            if ((group.Mask >> lane & 1) != 0 && r[lane * group.Slots + i->A] != 0 != i->Saturate)
                ballot |= 1u << lane;
        bool all = ballot == group.Mask;
        ulong result = i->Number switch { 0 => all ? 1ul : 0, 1 => ballot != 0 ? 1ul : 0, 2 => all || ballot == 0 ? 1ul : 0, _ => ballot };
        Give(group, r, i, result);
    }

    private static void Reduce<T>(PtxGroup group, ulong* r, PtxInstruction* i) where T : unmanaged, IBinaryInteger<T>
    {
        T? result = null;
        for (int lane = 0; lane < 32; lane++)
            if ((group.Mask >> lane & 1) != 0)
            {
                T value = *(T*)(r + lane * group.Slots + i->A);
                result = result is not { } sum ? value : i->Number switch { 0 => sum + value, 1 => T.Min(sum, value), _ => T.Max(sum, value) };
            }

        Give(group, r, i, ulong.CreateTruncating(result ?? T.Zero));
    }

    private static void ReduceBits(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        ulong result = i->Number == 0 ? uint.MaxValue : 0;
        for (int lane = 0; lane < 32; lane++)
            if ((group.Mask >> lane & 1) != 0)
            {
                ulong value = r[lane * group.Slots + i->A];
                result = i->Number switch { 0 => result & value, 1 => result | value, _ => result ^ value };
            }

        Give(group, r, i, result);
    }

    private static void Give(PtxGroup group, ulong* r, PtxInstruction* i, ulong result)
    {
        for (int lane = 0; lane < 32; lane++)
            if ((group.Mask >> lane & 1) != 0)
                r[lane * group.Slots + i->D] = result;
    }
}
