namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Products of small matrices whose numbers lie in registers of all threads of a warp.</summary>
internal static unsafe class PtxMatrix
{
    private const int Rows = 16, Columns = 8, Depth = 16;

    /// <summary>D = A B + C of 16 x 8 numbers, A of 16 x 16 and B of 16 x 8 halves.</summary>
    public static PtxInstruction Decode(PtxForm form)
    {
        if (!(form.Take("sync") && form.Take("aligned") && form.Take("m16n8k16") && form.Take("row") && form.Take("col")) || form.Types is not [PtxType.F32, PtxType.F16, PtxType.F16, PtxType.F32])
            throw form.Unsupported("only mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 is known");
        int[] d = form.Many(0, PtxType.F32), a = form.Many(1, PtxType.B32), b = form.Many(2, PtxType.B32), c = form.Many(3, PtxType.F32);
        if ((d.Length, a.Length, b.Length, c.Length) != (4, 4, 2, 4))
            throw form.Unsupported("4, 4, 2 and 4 registers are asked for");
        return new() { Step = PtxStep.Together, Run = &Multiply, C = -1, List = form.List([.. d, .. a, .. b, .. c]) };
    }

    /// <summary>Tiles of 8 x 8 halves from shared memory, a row of each from the address that one thread says.</summary>
    public static PtxInstruction DecodeLoad(PtxForm form)
    {
        if (!(form.Take("sync") && form.Take("aligned") && form.Take("m8n8") && form.Take("shared")) || form.Types is not [PtxType.B16])
            throw form.Unsupported("only ldmatrix.sync.aligned.m8n8.shared.b16 is known");
        int count = form.TakeOne("x1", "x2", "x4") switch { "x1" => 1, "x2" => 2, "x4" => 4, _ => throw form.Unsupported("how many is not said") };
        int[] targets = form.Many(0, PtxType.B32);
        if (targets.Length != count)
            throw form.Unsupported($"{count} registers are asked for");
        var i = new PtxInstruction { Step = PtxStep.Together, Run = &Load, C = -1, List = form.List(targets), Count = count, Saturate = form.Take("trans") };
        (i.A, i.Number, i.Narrow) = form.Address(1);
        return i;
    }

    private static void Multiply(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        int* d = group.Lists + i->List, a = d + 4, b = d + 8, c = d + 10;
        float* left = stackalloc float[Rows * Depth], right = stackalloc float[Depth * Columns], sums = stackalloc float[Rows * Columns];
        for (int lane = 0; lane < 32; lane++)
        {
            ulong* frame = r + lane * group.Slots;
            int of = lane >> 2, pair = (lane & 3) * 2;
            for (int k = 0; k < 4; k++)
                sums[(of + (k >> 1) * 8) * Columns + pair + (k & 1)] = *(float*)(frame + c[k]);
            // Registers of A go down first, then to the right; those of B down.
            for (int k = 0; k < 8; k++)
                left[(of + (k >> 1 & 1) * 8) * Depth + pair + (k & 1) + (k >> 2) * 8] = (float)((Half*)(frame + a[k >> 1]))[k & 1];
            for (int k = 0; k < 4; k++)
                right[(pair + (k & 1) + (k >> 1) * 8) * Columns + of] = (float)((Half*)(frame + b[k >> 1]))[k & 1];
        }

        for (int row = 0; row < Rows; row++)
            for (int k = 0; k < Depth; k++)
                for (int column = 0; column < Columns; column++)
                    sums[row * Columns + column] += left[row * Depth + k] * right[k * Columns + column];
        for (int lane = 0; lane < 32; lane++)
            for (int k = 0; k < 4; k++)
                *(float*)(r + lane * group.Slots + d[k]) = sums[((lane >> 2) + (k >> 1) * 8) * Columns + (lane & 3) * 2 + (k & 1)];
    }

    private static void Load(PtxGroup group, ulong* r, PtxInstruction* i)
    {
        ushort* tile = stackalloc ushort[64];
        for (int k = 0; k < i->Count; k++)
        {
            for (int row = 0; row < 8; row++)
            {
                var from = (ushort*)PtxShared.At(group, PtxMemory.Address(r + (k * 8 + row) * group.Slots, i), 16, i, PtxAccess.Read, null);
                for (int column = 0; column < 8; column++)
                    tile[i->Saturate ? column * 8 + row : row * 8 + column] = from[column];
            }

            for (int lane = 0; lane < 32; lane++)
                r[lane * group.Slots + group.Lists[i->List + k]] = (uint)(tile[lane * 2] | tile[lane * 2 + 1] << 16);
        }
    }
}
