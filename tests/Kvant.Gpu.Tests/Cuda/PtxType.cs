namespace Kvant.Gpu.Tests.Cuda;

/// <summary>The type of an operand in PTX, the assembly text of NVIDIA's cards.</summary>
internal enum PtxType
{
    None, Pred, B8, B16, B32, B64, U8, U16, U32, U64, S8, S16, S32, S64, F16, F16x2, F32, F64,
}

/// <summary>What is known of a type: its size, and which registers may hold it.</summary>
internal static class PtxTypes
{
    public static bool TryParse(string name, out PtxType type)
    {
        type = name switch
        {
            "pred" => PtxType.Pred,
            "b8" => PtxType.B8,
            "b16" => PtxType.B16,
            "b32" => PtxType.B32,
            "b64" => PtxType.B64,
            "u8" => PtxType.U8,
            "u16" => PtxType.U16,
            "u32" => PtxType.U32,
            "u64" => PtxType.U64,
            "s8" => PtxType.S8,
            "s16" => PtxType.S16,
            "s32" => PtxType.S32,
            "s64" => PtxType.S64,
            "f16" => PtxType.F16,
            "f16x2" => PtxType.F16x2,
            "f32" => PtxType.F32,
            "f64" => PtxType.F64,
            _ => PtxType.None,
        };
        return type != PtxType.None;
    }

    public static int Size(this PtxType type) => type switch
    {
        PtxType.B8 or PtxType.U8 or PtxType.S8 or PtxType.Pred => 1,
        PtxType.B16 or PtxType.U16 or PtxType.S16 or PtxType.F16 => 2,
        PtxType.B32 or PtxType.U32 or PtxType.S32 or PtxType.F32 or PtxType.F16x2 => 4,
        _ => 8,
    };

    public static bool IsFloat(this PtxType type) => type >= PtxType.F16;

    public static bool IsBits(this PtxType type) => type is PtxType.B8 or PtxType.B16 or PtxType.B32 or PtxType.B64;

    public static bool IsSigned(this PtxType type) => type is PtxType.S8 or PtxType.S16 or PtxType.S32 or PtxType.S64;

    /// <summary>Whether an instruction of one type may name a register that was declared with another: assemblers refuse others.</summary>
    public static bool Fits(PtxType register, PtxType instruction, bool wider)
    {
        if (register == PtxType.Pred || instruction == PtxType.Pred)
            return register == instruction;
        if (wider ? register.Size() < instruction.Size() : register.Size() != instruction.Size())
            return false;
        return register.IsBits() || instruction.IsBits() || register.IsFloat() == instruction.IsFloat();
    }
}
