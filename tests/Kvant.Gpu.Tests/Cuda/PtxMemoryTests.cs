using static Kvant.Gpu.Tests.Cuda.PtxRun;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Loads, stores and atomics, and what is found of those that touch what is not theirs.</summary>
public sealed class PtxMemoryTests
{
    private const string Local = ".local .align 8 .b8 own[32];", Shared = ".shared .align 16 .b8 one[64]; .shared .align 4 .b8 odd[6];";

    [Theory]
    [InlineData("ld.global.u8 %r1, [%in];", 0xFDul)]
    [InlineData("ld.global.s8 %r1, [%in];", 0xFFFFFFFDul)]
    [InlineData("ld.global.u16 %r1, [%in];", 0xFEFDul)]
    [InlineData("ld.global.s16 %r1, [%in];", 0xFFFFFEFDul)]
    [InlineData("ld.global.u32 %r1, [%in+4];", 0x01020304ul)]
    [InlineData("add.s64 %rd1, %in, 12; ld.global.nc.u32 %r1, [%rd1+-8];", 0x01020304ul)]
    [InlineData("ld.u32 %r1, [%in+4];", 0x01020304ul)]
    [InlineData("ld.volatile.global.v2.u32 {%r2, %r1}, [%in];", 0x01020304ul)]
    [InlineData("ld.global.v4.u16 {%h1, %h2, %h3, %h4}, [%in]; mov.b32 %r1, {%h3, %h4};", 0x01020304ul)]
    public void Loads(string body, ulong expected)
    {
        var outputs = new ulong[1];
        Body(body + "st.global.u32 [%out], %r1;", [0x01020304FFFFFEFD], outputs);
        Assert.Equal(expected, outputs[0]);
    }

    [Theory]
    [InlineData("st.local.u64 [own+8], %rd1; mov.u64 %rd2, own; ld.local.u64 %rd3, [%rd2+8];")]
    [InlineData("mov.u64 %rd2, own; cvta.local.u64 %rd2, %rd2; st.u64 [%rd2], %rd1; ld.local.u64 %rd3, [own];")]
    [InlineData("mov.u64 %rd2, own; cvta.local.u64 %rd4, %rd2; cvta.to.local.u64 %rd2, %rd4; st.local.u64 [%rd2], %rd1; ld.u64 %rd3, [%rd4];")]
    [InlineData("st.shared.u64 [one+8], %rd1; mov.u32 %r1, one; ld.shared.u64 %rd3, [%r1+8];")]
    [InlineData("mov.u64 %rd2, one; cvta.shared.u64 %rd2, %rd2; st.u64 [%rd2], %rd1; ld.shared.u64 %rd3, [one];")]
    [InlineData("st.shared.u64 [more+8], %rd1; ld.shared.u64 %rd3, [more+8];")]
    [InlineData("mov.b64 {%r1, %r2}, %rd1; st.shared.v2.u32 [one], {%r1, %r2}; ld.shared.u64 %rd3, [one];")]
    public void WhatIsStoredIsLoaded(string body)
    {
        var outputs = new ulong[1];
        Body(Local + Shared + "ld.global.u64 %rd1, [%in];" + body + "st.global.u64 [%out], %rd3;", [0x0102030405060708], outputs, dynamicShared: 16, declared: ".extern .shared .align 16 .b8 more[];");
        Assert.Equal(0x0102030405060708ul, outputs[0]);
    }

    [Theory]
    [InlineData("ld.global.u32 %r1, [%in+16];", "no allocation")]
    [InlineData("ld.global.u32 %r1, [%in+-4];", "no allocation")]
    [InlineData("mov.u64 %rd1, 0; ld.global.u32 %r1, [%rd1];", "no allocation")]
    [InlineData("ld.global.v2.u64 {%rd1, %rd2}, [%in+8];", "no allocation")]
    [InlineData("ld.global.u32 %r1, [%in+2];", "not aligned")]
    [InlineData("st.global.u64 [%out+8], %in;", "no allocation")]
    [InlineData("mov.u32 %r1, 0; st.shared.u32 [one+64], %r1;", "no variable")]
    [InlineData("ld.shared.u32 %r1, [one+-4];", "no variable")]
    [InlineData("ld.shared.u32 %r1, [odd+4];", "no variable")]
    [InlineData("ld.shared.u32 %r1, [more+16];", "no variable")]
    [InlineData("mov.u64 %rd1, -8; ld.shared.u32 %r1, [%rd1];", "no variable")]
    [InlineData("ld.shared.v4.u32 {%r1, %r2, %r3, %r4}, [one+8];", "not aligned")]
    [InlineData("ld.local.u32 %r1, [own+32];", "no variable")]
    [InlineData("ld.local.u32 %r1, [own+1];", "not aligned")]
    [InlineData("mov.u64 %rd1, own; cvta.local.u64 %rd1, %rd1; ld.u32 %r1, [%rd1+32];", "no variable")]
    [InlineData("atom.global.add.u32 %r1, [%out+8], 1;", "no allocation")]
    [InlineData("trap;", "trap")]
    [InlineData("FOREVER: bra FOREVER;", "branches")]
    public void WhatIsNotItsOwnIsNotTouched(string body, string expected)
    {
        string text = Kernel($"{Local}{Shared}\n{body}", ".extern .shared .align 16 .b8 more[];");
        PtxFault fault = Assert.Throws<PtxFault>(() => Launch(text, new ulong[2], new ulong[1], 1, new PtxMachine { BranchLimit = 1000 }, 16));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        int line = text[..text.IndexOf(body, StringComparison.Ordinal)].Count(x => x == '\n') + 1;
        Assert.StartsWith($"kernel test, line {line}, group 0, thread 0", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("atom.global.add.u32 %r1, [%out], %tid;", 10, 10 + 496)]
    [InlineData("atom.global.add.s32 %r1, [%out], -1;", 40, 8)]
    [InlineData("red.global.max.u32 [%out], %tid;", 10, 31)]
    [InlineData("atom.global.min.s32 %r1, [%out], %tid;", 10, 0)]
    [InlineData("atom.global.or.b32 %r1, [%out], %tid;", 64, 95)]
    [InlineData("atom.global.and.b32 %r1, [%out], 6;", 10, 2)]
    [InlineData("atom.global.xor.b32 %r1, [%out], %tid;", 3, 3)]
    [InlineData("atom.global.inc.u32 %r1, [%out], 30;", 0, 1)]
    [InlineData("atom.global.dec.u32 %r1, [%out], 30;", 0, 30)]
    [InlineData("atom.global.exch.b32 %r1, [%out], %tid;", 99, 31)]
    [InlineData("add.u32 %r2, %tid, 1; atom.global.cas.b32 %r1, [%out], %tid, %r2;", 0, 32)]
    [InlineData("mov.f32 %f1, 0f3F800000; atom.global.add.f32 %f2, [%out], %f1;", 0, 0x42000000)]
    public void Atomics(string body, ulong start, ulong expected)
    {
        ulong[] outputs = [start];
        Body(body, [], outputs, threads: 32);
        Assert.Equal(expected, outputs[0]);
    }

    [Fact]
    public void AnAtomicGivesWhatWasThere()
    {
        var outputs = new ulong[3];
        Body("atom.global.add.u32 %r1, [%out], 7; atom.global.add.u32 %r2, [%out], 7; st.global.u32 [%out+8], %r1; st.global.u32 [%out+16], %r2;", [], outputs);
        Assert.Equal([14ul, 0, 7], outputs);
    }

    [Fact]
    public void GroupsAndThreadsKnowTheirPlaces()
    {
        var outputs = new ulong[4 * 40];
        Body("mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mad.lo.u32 %r3, %r1, %r2, %tid; mul.wide.u32 %rd1, %r3, 8; add.s64 %rd2, %out, %rd1;" +
            "mov.u32 %r4, %nctaid.x; mov.u32 %r5, %laneid; mov.u32 %r6, %warpid; mov.u32 %r7, %tid.y; st.global.v2.u16 [%rd2], {%h1, %h2}; st.global.u8 [%rd2], %r5; st.global.u8 [%rd2+1], %r6; st.global.u8 [%rd2+2], %r4; st.global.u8 [%rd2+3], %r7; st.global.u32 [%rd2+4], %r3;",
            [], outputs, threads: 40, groups: 4);
        Assert.Equal(Enumerable.Range(0, 160).Select(i => (ulong)(i % 40 % 32 + i % 40 / 32 * 256 + 4 * 65536) + ((ulong)i << 32)), outputs);
    }
}
