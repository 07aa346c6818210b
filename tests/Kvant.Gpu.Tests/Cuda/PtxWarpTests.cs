using static Kvant.Gpu.Tests.Cuda.PtxRun;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Instructions that the threads of a warp run together.</summary>
public sealed class PtxWarpTests
{
    // Each thread stores %r1 of its own, and whether %p1 held in the upper half.
    private const string Store = "selp.b32 %r9, 1, 0, %p1; mul.wide.u32 %rd1, %tid, 8; add.s64 %rd1, %out, %rd1; st.global.v2.u32 [%rd1], {%r1, %r9};";

    [Theory]
    [InlineData("shfl.sync.up.b32 %r1|%p1, %tid, 3, 0, -1;", 0)]
    [InlineData("shfl.sync.down.b32 %r1|%p1, %tid, 3, 31, -1;", 1)]
    [InlineData("shfl.sync.bfly.b32 %r1|%p1, %tid, 5, 31, -1;", 2)]
    [InlineData("shfl.sync.idx.b32 %r1|%p1, %tid, 9, 31, -1;", 3)]
    [InlineData("shfl.sync.idx.b32 %r1|%p1, %tid, 1, 0x181F, -1;", 4)]
    public void Shuffles(string body, int way)
    {
        var outputs = new ulong[64];
        Body(body + Store, [], outputs, threads: 64);
        for (int i = 0; i < 64; i++)
        {
            int lane = i & 31;
            (int from, bool valid) = way switch { 0 => (lane - 3, lane >= 3), 1 => (lane + 3, lane + 3 < 32), 2 => (lane ^ 5, true), 3 => (9, true), _ => (lane / 8 * 8 + 1, true) };
            Assert.Equal((ulong)((valid ? from : lane) + (i & 32)) + (valid ? 1ul << 32 : 0), outputs[i]);
        }
    }

    [Theory]
    [InlineData("vote.sync.ballot.b32 %r1, %p2, -1;", 0x000000FFul)]
    [InlineData("vote.sync.ballot.b32 %r1, !%p2, -1;", 0xFFFFFF00ul)]
    [InlineData("vote.sync.any.pred %p3, %p2, -1; selp.b32 %r1, 1, 0, %p3;", 1ul)]
    [InlineData("vote.sync.all.pred %p3, %p2, -1; selp.b32 %r1, 1, 0, %p3;", 0ul)]
    [InlineData("redux.sync.add.s32 %r1, %tid, -1;", 496ul)]
    [InlineData("redux.sync.max.u32 %r1, %tid, -1;", 31ul)]
    [InlineData("redux.sync.xor.b32 %r1, %tid, -1;", 0ul)]
    public void Votes(string body, ulong expected)
    {
        var outputs = new ulong[32];
        Body("setp.lt.s32 %p2, %tid, 8; setp.ne.s32 %p1, %tid, %tid;" + body + Store, [], outputs, threads: 32);
        Assert.All(outputs, x => Assert.Equal(expected, x));
    }

    [Fact]
    public void HalfAWarpMayShuffle()
    {
        var outputs = new ulong[32];
        Body("setp.ge.s32 %p2, %tid, 16; setp.ne.s32 %p1, %tid, %tid; mov.u32 %r1, 99; @%p2 bra END; shfl.sync.bfly.b32 %r1, %tid, 1, 31, 0xFFFF; END:" + Store, [], outputs, threads: 32);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => i < 16 ? (ulong)(i ^ 1) : 99), outputs);
        Assert.Throws<PtxFault>(() => Body("setp.ge.s32 %p2, %tid, 16; @%p2 bra END; shfl.sync.bfly.b32 %r1, %tid, 16, 31, 0xFFFF; END:", [], [], threads: 32));
    }

    /// <summary>Fragments are put where the language says that they lie, and the product is that of three loops.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void MatrixProducts(int seed)
    {
        var random = new Random(seed);
        var a = new Half[16, 16];
        var b = new Half[16, 8];
        var c = new float[16, 8];
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 16; j++)
                a[i, j] = (Half)(random.NextSingle() - 0.5f);
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 8; j++)
                (b[i, j], c[i, j]) = ((Half)(random.NextSingle() - 0.5f), random.NextSingle());
        var inputs = new ulong[32 * 5];
        for (int lane = 0; lane < 32; lane++)
        {
            int group = lane / 4, pair = lane % 4 * 2;
            uint Left(int row, int column) => (uint)(Bits(a[row, column]) | Bits(a[row, column + 1]) << 16);
            uint Right(int row) => (uint)(Bits(b[row, group]) | Bits(b[row + 1, group]) << 16);
            inputs[lane * 5] = Left(group, pair) | (ulong)Left(group + 8, pair) << 32;
            inputs[lane * 5 + 1] = Left(group, pair + 8) | (ulong)Left(group + 8, pair + 8) << 32;
            inputs[lane * 5 + 2] = Right(pair) | (ulong)Right(pair + 8) << 32;
            inputs[lane * 5 + 3] = Bits(c[group, pair]) | Bits(c[group, pair + 1]) << 32;
            inputs[lane * 5 + 4] = Bits(c[group + 8, pair]) | Bits(c[group + 8, pair + 1]) << 32;
        }

        var outputs = new ulong[64];
        Body("""
            mul.wide.u32 %rd1, %tid, 40;
            add.s64 %rd1, %in, %rd1;
            ld.global.v2.b32 {%r1, %r2}, [%rd1];
            ld.global.v2.b32 {%r3, %r4}, [%rd1+8];
            ld.global.v2.b32 {%r5, %r6}, [%rd1+16];
            ld.global.v2.f32 {%f1, %f2}, [%rd1+24];
            ld.global.v2.f32 {%f3, %f4}, [%rd1+32];
            mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%f1, %f2, %f3, %f4};
            mul.wide.u32 %rd2, %tid, 16;
            add.s64 %rd2, %out, %rd2;
            st.global.v2.f32 [%rd2], {%f1, %f2};
            st.global.v2.f32 [%rd2+8], {%f3, %f4};
            """, inputs, outputs, threads: 32);
        for (int row = 0; row < 16; row++)
            for (int column = 0; column < 8; column++)
            {
                double expected = c[row, column];
                for (int k = 0; k < 16; k++)
                    expected += (double)a[row, k] * (double)b[k, column];
                ulong pair = outputs[(row % 8 * 4 + column / 2) * 2 + row / 8];
                float actual = BitConverter.UInt32BitsToSingle((uint)(pair >> (column % 2 * 32)));
                // 16 sums of at most 5 in magnitude, each rounded to 24 bits.
                Assert.InRange(actual - expected, -16 * 5 * Math.ScaleB(1, -24), 16 * 5 * Math.ScaleB(1, -24));
            }
    }

    [Theory]
    [InlineData("", 31)]
    [InlineData("setp.eq.s32 %p2, %tid, 5; @%p2 bra END;", 32)]
    public void AMatrixAsksForTheWholeWarp(string before, int threads) =>
        Assert.Contains("that do not come", Assert.Throws<PtxFault>(() => Body(before + "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%f1, %f2, %f3, %f4}; END:", [], [], threads)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("")]
    [InlineData(".trans")]
    public void TilesAreLoadedFromSharedMemory(string way)
    {
        var outputs = new ulong[32];
        // Numbers 0 to 127 of 16 bits, two a thread and place; then two tiles of 8 rows of 16 bytes.
        Body($$"""
            .shared .align 16 .b8 tiles[256];
            mul.wide.u32 %rd1, %tid, 8;
            mov.u64 %rd2, tiles;
            add.s64 %rd3, %rd2, %rd1;
            mul.lo.u32 %r1, %tid, 0x00040004;
            add.u32 %r2, %r1, 0x00010000;
            add.u32 %r3, %r1, 0x00030002;
            st.shared.v2.u32 [%rd3], {%r2, %r3};
            barrier.sync 0;
            and.b32 %r4, %tid, 15;
            mul.wide.u32 %rd4, %r4, 16;
            add.s64 %rd4, %rd2, %rd4;
            ldmatrix.sync.aligned.m8n8.x2{{way}}.shared.b16 {%r5, %r6}, [%rd4];
            mul.wide.u32 %rd5, %tid, 8;
            add.s64 %rd5, %out, %rd5;
            st.global.v2.u32 [%rd5], {%r5, %r6};
            """, [], outputs, threads: 32);
        for (int lane = 0; lane < 32; lane++)
        {
            int row = lane / 4, column = lane % 4 * 2;
            uint Pair(int tile) => way.Length == 0 ? (uint)(tile + row * 8 + column | (tile + row * 8 + column + 1) << 16) : (uint)(tile + column * 8 + row | (tile + (column + 1) * 8 + row) << 16);
            Assert.Equal(Pair(0) | (ulong)Pair(64) << 32, outputs[lane]);
        }
    }
}
