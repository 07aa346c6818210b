using Kvant.Codecs;
using Kvant.Memory;
using Kvant.Rotations;

namespace Kvant.Tests.Codecs;

/// <summary>A codec of a user that is made of another one: the inner encoding must not disturb the rows of the outer.</summary>
public sealed class NestedCodecTests
{
    [Fact]
    public void CodecInsideACodecKeepsTheRowsOfBoth()
    {
        var codec = new Doubled(Rotation.Create("hadamard", 64, seed: 3));
        float[] rows = TestRows.Gaussian(70, 64, seed: 4);
        codec.Encode(rows); // leaves a buffer behind, which the next call takes up
        byte[] blocks = codec.Encode(rows);
        float[] decoded = codec.Decode(blocks);
        // Two stages of 8 bits: each loses .00004.
        Assert.InRange(Measure.Nmse(rows, decoded), 1e-6, 2.5 * 4e-5);
    }

    [Fact]
    public void ScratchInsideScratchIsAnotherOneAndKeptForTheNextCall()
    {
        Nest(); // the first buffers of this thread
        Nest();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Nest();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        static void Nest()
        {
            using var outer = new AlignedScratch(300);
            using var inner = new AlignedScratch(500);
            outer.Floats.Fill(1);
            inner.Floats.Fill(2);
            Assert.False(outer.Floats.Overlaps(inner.Floats), "Both calls write to one buffer.");
        }
    }

    // Rotates, encodes the first half of the row by one codec and the second by the same.
    private sealed class Doubled(Rotation rotation) : RotatedCodec(rotation, 1, 2 * 34)
    {
        private readonly Codec _half = CodecSpec.Parse("turboquant:bits=8").CreateCodec(32);

        protected override void EncodeRotated(Span<float> rows, Span<byte> blocks)
        {
            float[] before = rows.ToArray();
            _half.Encode(rows, blocks);
            Assert.Equal(before, rows.ToArray());
        }

        protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows) => _half.Decode(block, rows);
    }
}
