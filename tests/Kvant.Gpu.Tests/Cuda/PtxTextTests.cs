using static Kvant.Gpu.Tests.Cuda.PtxRun;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>What is not known of a text is refused with its line, and what means nothing is passed over.</summary>
public sealed class PtxTextTests
{
    [Theory]
    [InlineData("frob.u32 %r1, %r2, %r3;", "the instruction is not known")]
    [InlineData("add.foo.u32 %r1, %r2, %r3;", ".foo is not known")]
    [InlineData("add.rn.u32 %r1, %r2, %r3;", ".rn is not known")]
    [InlineData("add.u32 %r1, %r2;", "operand 3 is missing")]
    [InlineData("add.u32 %r1, %r2, %r3, %r4;", "4 operands")]
    [InlineData("add.u32 %r1, %r2, %zz1;", "%zz1 is not declared")]
    [InlineData("add.u32 %r1, %r2, %r99;", "%r99 is not declared")]
    [InlineData("add.f32 %r1, %f2, %q;", "%q is not declared")]
    [InlineData("add.s32 %f1, %f2, %f3;", "%f1 is F32, not S32")]
    [InlineData("add.u64 %rd1, %r1, %rd2;", "%r1 is B32, not U64")]
    [InlineData("cvt.u32.u64 %r1, %r2;", "%r2 is B32, not U64")]
    [InlineData("add.f32 %f1, %f2, 5;", "5 is not a constant of F32")]
    [InlineData("fma.f32 %f1, %f2, %f3, %f4;", "the rounding is not known")]
    [InlineData("div.f32 %f1, %f2, %f3;", "the rounding is not known")]
    [InlineData("cvt.f32.s32 %f1, %r1;", "the rounding is not one of these types")]
    [InlineData("cvt.rn.s32.f32 %r1, %f1;", "the rounding is not one of these types")]
    [InlineData("setp.ltu.s32 %p1, %r1, %r2;", "the comparison is not one of this type")]
    [InlineData("setp.lt.b32 %p1, %r1, %r2;", "the comparison is not one of this type")]
    [InlineData("bra NOWHERE;", "no such label")]
    [InlineData("bar.sync 0, 64;", "2 operands")]
    [InlineData("ld.const.u32 %r1, [%rd1];", ".const is not known")]
    [InlineData("ld.global.u32 %r1, [%h1];", "%h1 holds no address")]
    [InlineData("ld.param.u64 %rd1, [nothing];", "no such parameter")]
    [InlineData("call.uni f, (%r1);", "the instruction is not known")]
    [InlineData("mul.s32 %r1, %r2, %r3;", "which half is not said")]
    [InlineData("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2}, {%r5}, {%f1, %f2, %f3, %f4};", "is known")]
    [InlineData(".const .b32 x;", "not known here")]
    [InlineData(".reg .b32 %r1;", "a second register of that name")]
    public void WhatIsNotKnownIsRefused(string body, string expected)
    {
        string text = Kernel($"mov.u32 %r3, 0;\n{body}\n");
        int line = text[..text.IndexOf($"\n{body}", StringComparison.Ordinal)].Count(x => x == '\n') + 2;
        string message = Assert.Throws<NotSupportedException>(() => PtxModule.Parse(text)).Message;
        Assert.StartsWith($"PTX line {line}: ", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData(".version 7.2\n.target gfx900\n", 2)]
    [InlineData(".version 7.2\n.target sm_80\n.address_size 32\n", 3)]
    [InlineData(".version 7.2\n.target sm_80\n.address_size 64\n.global .b32 x;\n", 4)]
    [InlineData(".version 7.2\n.target sm_80\n.address_size 64\n.visible .func f() { ret; }\n", 4)]
    [InlineData(".version 7.2\n.target sm_80\n.address_size 64\n\n.visible .entry f() .magic { ret; }\n", 5)]
    [InlineData(".version 7.2\n.target sm_80\n.address_size 64\n.visible .entry f(.param .align 8 .b8 x[16]) { ret; }\n", 4)]
    [InlineData(".version 7.2\n.target sm_80\n.address_size 64\n.visible .entry f() { ret\n", 4)]
    [InlineData(".version 7.2\n.target sm_80\n.address_size 64\n.visible .entry f() { ret;\n", 4)]
    [InlineData(".visible .entry f() { ret; }\n", 1)]
    public void ModulesThatAreNotKnownAreRefused(string text, int line) =>
        Assert.StartsWith($"PTX line {line}: ", Assert.Throws<NotSupportedException>(() => PtxModule.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void WhatMeansNothingIsPassedOver()
    {
        var outputs = new ulong[1];
        Body("""
            /* two
            lines */ mov.u32 %r1, 5; // begin inline asm
            .pragma "nounroll";
            .loc 1 2 3
            { .reg .b32 %r1; mov.u32 %r1, 9; { mov.u32 %r2, %r1; } }
            add.u32 %r1, %r1, %r2;
            bra.uni INNER;
            mov.u32 %r1, 0;
            INNER:
            st.global.u32 [%out], %r1
            ;
            """, [], outputs);
        Assert.Equal(14ul, outputs[0]);
    }

    [Fact]
    public void GuardsChooseWhatRuns()
    {
        var outputs = new ulong[1];
        Body("setp.eq.u32 %p1, %tid, 0; mov.u32 %r1, 1; @%p1 add.u32 %r1, %r1, 2; @!%p1 add.u32 %r1, %r1, 4; @!%p1 bra END; add.u32 %r1, %r1, 8; END: st.global.u32 [%out], %r1;", [], outputs);
        Assert.Equal(11ul, outputs[0]);
    }

    [Fact]
    public void AKernelSaysHowManyThreadsItBears()
    {
        PtxKernel kernel = PtxModule.Parse(".version 7.2\n.target sm_80\n.visible .entry f()\n.maxntid 128, 1, 1\n.minnctapersm 2\n{ .shared .align 8 .b8 a[12]; .shared .align 8 .b8 b[8]; ret; }").Kernels["f"];
        Assert.Equal((128, 24), (kernel.MaxThreads, kernel.Shared.Bytes));
        Assert.Throws<ArgumentOutOfRangeException>(() => new PtxMachine().Run(kernel, 1, 129, [], new([])));
    }
}
