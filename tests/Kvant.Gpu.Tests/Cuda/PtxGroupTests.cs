using static Kvant.Gpu.Tests.Cuda.PtxRun;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Barriers let threads see what others wrote; races and barriers that not all reach are found.</summary>
public sealed class PtxGroupTests
{
    // Each thread puts its number into its own place, and %rd3 is the address of its neighbor's.
    private const string Neighbors = """
        .shared .align 4 .b8 row[256];
        mul.wide.u32 %rd1, %tid, 4;
        mov.u64 %rd2, row;
        add.s64 %rd2, %rd2, %rd1;
        xor.b32 %r1, %tid, 1;
        mul.wide.u32 %rd3, %r1, 4;
        mov.u64 %rd4, row;
        add.s64 %rd3, %rd4, %rd3;
        setp.eq.s32 %p1, %tid, 0;
        setp.lt.s32 %p2, %tid, 32;
        """;

    [Theory]
    [InlineData("barrier.sync 0;")]
    [InlineData("bar.sync 0;")]
    [InlineData("barrier.sync.aligned 0;")]
    // Neighbors are of one warp.
    [InlineData("bar.warp.sync 0xFFFFFFFF;")]
    public void ABarrierShowsWhatOthersWrote(string barrier)
    {
        var outputs = new ulong[64];
        Body($"{Neighbors} st.shared.u32 [%rd2], %tid; {barrier} ld.shared.u32 %r2, [%rd3]; shl.b64 %rd5, %rd1, 1; add.s64 %rd5, %out, %rd5; st.global.u32 [%rd5], %r2;", [], outputs, threads: 64);
        Assert.Equal(Enumerable.Range(0, 64).Select(i => (ulong)(i ^ 1)), outputs);
    }

    [Theory]
    [InlineData("st.shared.u32 [%rd2], %tid;\nld.shared.u32 %r2, [%rd3];", "thread 1: a race: it writes byte 4 of row of shared memory, which thread 0 read in line 1")]
    [InlineData("ld.shared.u32 %r2, [%rd3];\nst.shared.u32 [%rd2], %tid;", "thread 1: a race: it reads byte 0 of row of shared memory, which thread 0 wrote in line 1")]
    [InlineData("st.shared.u32 [row+8], %tid;", "thread 1: a race: it writes byte 8 of row of shared memory, which thread 0 wrote in line 0")]
    [InlineData("ld.shared.u32 %r2, [row];\n@!%p1 bra END;\nst.shared.u8 [row+3], %tid;\nEND:", "thread 1: a race: it reads byte 3 of row of shared memory, which thread 0 wrote in line 2")]
    [InlineData("ld.shared.u32 %r2, [row];\nbar.warp.sync -1;\nst.shared.u32 [row], %tid;", "thread 1: a race: it writes byte 0 of row of shared memory, which thread 0 wrote in line 2")]
    [InlineData("@!%p2 st.shared.u32 [row+128], %tid;", "thread 33: a race: it writes byte 128 of row of shared memory, which thread 32 wrote in line 0")]
    [InlineData("atom.shared.add.u32 %r2, [row], 1;\nld.shared.u32 %r3, [row];", "thread 1: a race: it changes byte 0 of row of shared memory, which thread 0 read")]
    [InlineData("atom.shared.add.u32 %r2, [row], 1;\nsetp.eq.s32 %p3, %tid, 63;\n@%p3 ld.shared.u32 %r3, [row];", "thread 63: a race: it reads byte 0 of row of shared memory, which thread 0 and others wrote")]
    [InlineData("@%p1 st.shared.u32 [row], %tid;\natom.shared.add.u32 %r2, [row], 1;", "thread 1: a race: it changes byte 0 of row of shared memory, which thread 0 wrote")]
    // Four bytes are read of which another thread has read one.
    [InlineData("@%p1 ld.shared.u8 %r2, [row+5];\n@%p1 bra END;\nld.shared.u32 %r2, [row+4];\nst.shared.u8 [row+5], %tid;\nEND:", "thread 1: a race: it writes byte 5 of row of shared memory, which thread 0 and others read in line 0")]
    [InlineData("@%p1 ld.shared.u32 %r2, [row+4];\n@%p1 bra END;\nst.shared.u8 [row+7], %tid;\nEND:", "thread 1: a race: it writes byte 7 of row of shared memory, which thread 0 read in line 0")]
    // A warp waits for itself alone.
    [InlineData("@%p1 st.shared.u32 [row], %tid;\nbar.warp.sync -1;\nld.shared.u32 %r2, [row];", "thread 32: a race: it reads byte 0 of row of shared memory, which thread 0 wrote")]
    [InlineData("st.shared.u32 [%rd2], %tid;\nbarrier.sync 0;\nst.shared.u32 [%rd2], %tid;\nld.shared.u32 %r2, [%rd3];", "thread 1: a race: it writes byte 4 of row of shared memory, which thread 0 read in line 3")]
    public void RacesAreFound(string body, string expected)
    {
        string text = Kernel($"{Neighbors}\n{body}");
        PtxFault fault = Assert.Throws<PtxFault>(() => Launch(text, [], [], 64, new PtxMachine()));
        int first = text[..text.IndexOf(body, StringComparison.Ordinal)].Count(x => x == '\n') + 1;
        string told = System.Text.RegularExpressions.Regex.Replace(fault.Message, @"in line (\d+)", x => $"in line {int.Parse(x.Groups[1].Value) - first}");
        Assert.Contains(expected, told, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("atom.shared.add.u32 %r2, [row], 1; barrier.sync 0; ld.shared.u32 %r3, [row];")]
    [InlineData("ld.shared.u32 %r2, [row]; ld.shared.u32 %r3, [row+4]; barrier.sync 0; @%p1 st.shared.u32 [row], %r2; barrier.sync 0; ld.shared.u32 %r2, [row];")]
    [InlineData("st.shared.u32 [%rd2], %tid; ld.shared.u32 %r2, [%rd2]; st.shared.u32 [%rd2], %r2;")]
    [InlineData("@%p2 bra END; barrier.sync 0; END:")]
    [InlineData("mov.u32 %r5, 0; AGAIN: st.shared.u32 [%rd2], %tid; barrier.sync 0; ld.shared.u32 %r2, [%rd3]; barrier.sync 0; add.s32 %r5, %r5, 1; setp.lt.s32 %p3, %r5, 10; @%p3 bra AGAIN;")]
    public void WhatIsInOrderIsNoRace(string body) => Body($"{Neighbors} {body}", [], [], threads: 64, groups: 3);

    [Fact]
    public void TheSameValueMayBeAllowed()
    {
        const string Body = "mov.u32 %r2, 7; st.shared.u32 [row], %r2;";
        Assert.Throws<PtxFault>(() => PtxRun.Body(Neighbors + Body, [], [], threads: 64));
        PtxRun.Body(Neighbors + Body, [], [], threads: 64, allowSameValue: true);
        Assert.Throws<PtxFault>(() => PtxRun.Body(Neighbors + "st.shared.u32 [row], %tid;", [], [], threads: 64, allowSameValue: true));
    }

    [Theory]
    [InlineData("@%p2 bra OTHER; barrier.sync 0; bra END; OTHER: barrier.sync 0; END:", "it waits at this barrier")]
    [InlineData("@%p1 barrier.sync 0; barrier.sync 0;", "it waits at this barrier")]
    [InlineData("@%p1 bra END; bar.warp.sync -1; END:", "that do not come")]
    [InlineData("@%p1 bra END; bar.warp.sync -1; END: barrier.sync 0;", "that do not come")]
    [InlineData("mov.u32 %r1, 1; bar.warp.sync %r1;", "not one of those")]
    public void WhatNotAllReachIsFound(string body, string expected) =>
        Assert.Contains(expected, Assert.Throws<PtxFault>(() => Body($"{Neighbors} {body}", [], [], threads: 64)).Message, StringComparison.Ordinal);

    [Fact]
    public void WhatNobodyWroteIsNoZero()
    {
        var outputs = new ulong[1];
        Body(Neighbors + "ld.shared.u32 %r2, [row]; st.global.u32 [%out], %r2;", [], outputs);
        Assert.Equal(0xA5A5A5A5ul, outputs[0]);
    }
}
