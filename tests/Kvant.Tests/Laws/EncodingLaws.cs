using System.Runtime.InteropServices;
using Kvant.Codecs;

namespace Kvant.Tests.Laws;

/// <summary>Encoding is a pure function of one block of rows.</summary>
public sealed class EncodingLaws
{
    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void ManyBlocksAtOnceEqualOneByOne(string spec)
    {
        const int Blocks = 3;
        foreach ((Codec codec, string name) in CodecCases.All(spec))
        {
            int floats = codec.RowsPerBlock * codec.Dimension;
            float[] rows = TestRows.Gaussian(Blocks * codec.RowsPerBlock, codec.Dimension, seed: 12), untouched = [.. rows];
            byte[] atOnce = CodecCases.Encode(codec, rows);
            Assert.True(MemoryMarshal.AsBytes<float>(untouched).SequenceEqual(MemoryMarshal.AsBytes<float>(rows)), $"{name}: Encode wrote into its source.");
            Assert.True(atOnce.AsSpan().SequenceEqual(CodecCases.Encode(codec, rows)), $"{name}: encoding twice gives other bytes.");

            var oneByOne = new byte[atOnce.Length];
            oneByOne.AsSpan().Fill(0x5A); // Every byte must be written, whatever was there.
            for (int b = 0; b < Blocks; b++)
                codec.Encode(rows.AsSpan(b * floats, floats), oneByOne.AsSpan(b * codec.BytesPerBlock, codec.BytesPerBlock));
            Assert.True(atOnce.AsSpan().SequenceEqual(oneByOne), $"{name}: {Blocks} blocks at once differ from one by one.");
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void AnotherCodecOfTheSameSpecMakesTheSameBytes(string spec)
    {
        foreach (int dimension in (int[])[64, 96])
        {
            if (CodecCases.TryCreate(spec, dimension, CodecRole.Keys) is not { CalibrationRows: 0 } shared)
                continue;
            Codec fresh = CodecSpec.Parse(spec).CreateCodec(dimension, CodecRole.Keys);
            float[] rows = TestRows.Gaussian(shared.RowsPerBlock, dimension, seed: 13);
            Assert.Equal(CodecCases.Encode(shared, rows), CodecCases.Encode(fresh, rows));
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void DecodingIsDeterministicAndLeavesTheBlocks(string spec)
    {
        foreach ((Codec codec, string name) in CodecCases.All(spec).Where(c => c.Codec.Dimension is 80 or 128))
        {
            byte[] blocks = CodecCases.Encode(codec, TestRows.Gaussian(2 * codec.RowsPerBlock, codec.Dimension, seed: 14)), untouched = [.. blocks];
            float[] first = CodecCases.Decode(codec, blocks), second = CodecCases.Decode(codec, blocks);
            Assert.True(first.AsSpan().SequenceEqual(second), $"{name}: decoding twice gives other rows.");
            Assert.True(untouched.AsSpan().SequenceEqual(blocks), $"{name}: Decode wrote into the blocks.");
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void ZeroRowsDecodeToZeros(string spec)
    {
        foreach ((Codec codec, string name) in CodecCases.All(spec))
        {
            // What is chosen from data is chosen from zeros too: a head of zeros is meant.
            float[] zeros = new float[Math.Max(2 * codec.RowsPerBlock, codec.CalibrationRows) * codec.Dimension];
            float[] decoded = CodecCases.RoundTrip(codec.Calibrate(zeros), zeros);
            Assert.True(decoded.All(x => x == 0), $"{name}: zeros decode to {decoded.FirstOrDefault(x => x != 0)}.");
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void StateRestoresACalibratedCodec(string spec)
    {
        foreach ((Codec codec, string name) in CodecCases.All(spec).Where(c => c.Codec.StateBytes > 0))
        {
            CodecRole[] roles = [.. CodecCases.Roles.Where(r => name.EndsWith(r.ToString(), StringComparison.Ordinal))];
            Codec fresh = CodecSpec.Parse(spec).CreateCodec(codec.Dimension, roles[0]);
            Assert.False(fresh.IsCalibrated, name);
            Assert.Throws<InvalidOperationException>(() => fresh.Encode(new float[fresh.RowsPerBlock * fresh.Dimension], new byte[fresh.BytesPerBlock]));
            Codec restored = fresh.WithState(codec.State);
            float[] rows = TestRows.Gaussian(2 * codec.RowsPerBlock, codec.Dimension, seed: 15);
            Assert.True(CodecCases.Encode(codec, rows).AsSpan().SequenceEqual(CodecCases.Encode(restored, rows)), name);
        }
    }
}
