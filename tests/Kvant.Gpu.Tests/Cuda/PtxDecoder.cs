namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Finds what runs an instruction. An opcode, modifier or operand that nothing takes is refused.</summary>
internal static unsafe class PtxDecoder
{
    public static PtxInstruction Decode(PtxForm form)
    {
        PtxInstruction instruction = form.Name switch
        {
            "bra" => Branch(form),
            "ret" or "exit" => new() { Step = PtxStep.Exit },
            "trap" => new() { Run = &Trap },
            "bar" or "barrier" => Barrier(form),
            "membar" or "fence" => Fence(form),
            "mov" => PtxMoves.Move(form),
            "selp" or "slct" => PtxMoves.Select(form),
            "cvta" => PtxMoves.Convert(form),
            "ld" or "st" or "ldu" => PtxMemory.Decode(form),
            "atom" or "red" => PtxAtomics.Decode(form),
            "shfl" or "vote" or "redux" => PtxWarp.Decode(form),
            "mma" => PtxMatrix.Decode(form),
            "ldmatrix" => PtxMatrix.DecodeLoad(form),
            "cvt" => PtxConvert.Decode(form),
            "setp" or "set" => PtxCompare.Decode(form),
            "and" or "or" or "xor" or "not" or "cnot" or "shl" or "shr" or "shf" or "bfe" or "bfi" or "prmt" or "lop3" or "popc" or "clz" or "brev" or "bfind" => PtxBits.Decode(form),
            "ex2" or "lg2" or "sin" or "cos" or "tanh" or "rsqrt" or "rcp" or "sqrt" or "fma" or "copysign" => PtxFloats.Decode(form),
            "add" or "sub" or "mul" or "div" or "abs" or "neg" or "min" or "max" when form.Type.IsFloat() => PtxFloats.Decode(form),
            "mad" when form.Type.IsFloat() => PtxFloats.Decode(form),
            "add" or "sub" or "mul" or "mad" or "div" or "rem" or "abs" or "neg" or "min" or "max" or "sad" or "dp4a" => PtxIntegers.Decode(form),
            _ => throw form.Unsupported("the instruction is not known"),
        };
        form.Finish();
        return instruction;
    }

    private static PtxInstruction Branch(PtxForm form)
    {
        form.Take("uni");
        form.Operand(0);
        return new() { Step = PtxStep.Branch };
    }

    /// <summary>Barriers of the whole group alone: those that count threads are refused.</summary>
    private static PtxInstruction Barrier(PtxForm form)
    {
        bool ofWarp = form.Take("warp");
        if (form.Take("cta") && ofWarp || !form.Take("sync"))
            throw form.Unsupported("the barrier is not known");
        if (ofWarp)
            return new() { Step = PtxStep.Together, Run = &PtxWarp.Synchronize, C = form.Source(0, PtxType.B32) };
        form.Take("aligned");
        return new() { Step = PtxStep.Barrier, Number = (int)form.Constant(0) };
    }

    /// <summary>Threads run one after the other here: what one wrote is seen by all.</summary>
    private static PtxInstruction Fence(PtxForm form)
    {
        _ = form.TakeOne("sc", "acq_rel", "acquire", "release");
        _ = form.TakeOne("cta", "gpu", "gl", "sys") ?? throw form.Unsupported("the scope is not known");
        return new() { Run = &Nothing };
    }

    private static void Nothing(PtxGroup group, ulong* r, PtxInstruction* i)
    {
    }

    private static void Trap(PtxGroup group, ulong* r, PtxInstruction* i) => throw group.Fault(i, "trap");
}
