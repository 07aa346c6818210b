using System.Globalization;
using Kvant.Conversations.Chunks;
using Kvant.Tests;
using Kvant.Tests.Formats;

namespace Kvant.Conversations.Tests.Chunks;

/// <summary>Chunks that are damaged, cut or forged: never a wrong byte, never an exception.</summary>
public sealed class ChunkHostileTests
{
    private static readonly ChunkMutants s_sample = new();

    [Fact]
    public void ChunksAsTheyAreHaveNothingWrong() => Assert.All([0, 1], chunk => Assert.Null(s_sample.Check(chunk, s_sample.Values[chunk])));

    [Fact]
    public void EveryFlippedBitIsSeen()
    {
        foreach ((int chunk, byte[] value) in s_sample.Values.Index())
        {
            byte[] damaged = [.. value];
            for (int bit = 0; bit < 8 * value.Length; bit++)
            {
                damaged[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.NotNull(s_sample.Check(chunk, damaged));
                damaged[bit / 8] = value[bit / 8];
            }
        }
    }

    [Fact]
    public void EveryOtherLengthIsSeen()
    {
        for (int length = 0; length < s_sample.Values[0].Length; length++)
            Assert.NotNull(s_sample.Check(0, s_sample.Values[0][..length]));
        Assert.Equal(ChunkMiss.Damaged, s_sample.Check(0, [.. s_sample.Values[0], 0]));
    }

    // A million of them: KVANT_CHUNK_MUTANTS=1000000.
    [Fact]
    public void NoMutantIsTakenForWhatWasWritten()
    {
        int count = int.TryParse(Environment.GetEnvironmentVariable("KVANT_CHUNK_MUTANTS"), CultureInfo.InvariantCulture, out int said) ? said : 20_000;
        Fresh.Each("mutants", 1, seed =>
        {
            for (int i = 0; i < count; i++)
            {
                byte[] value = s_sample.Values[i % 2], mutant = Mutator.Mutant(value, new Random(unchecked(seed + i)));
                Assert.True(s_sample.Check(i % 2, mutant) is not null || mutant.AsSpan().SequenceEqual(value), $"mutant {i} is taken");
            }
        });
    }

    [Fact]
    public void ReasonsAreThoseThatApply()
    {
        byte[] value = s_sample.Values[0];
        Assert.Equal(ChunkMiss.OtherVersion, s_sample.Check(0, Changed(8, 2)));
        Assert.Equal(ChunkMiss.OtherKey, s_sample.Check(0, Changed(16, (byte)(value[16] ^ 1))));
        Assert.Equal(ChunkMiss.OtherKey, s_sample.Check(0, Changed(48, 1)));
        Assert.Equal(ChunkMiss.OtherKey, s_sample.Check(0, Changed(96, 1)));
        Assert.Equal(ChunkMiss.OtherKey, s_sample.Check(0, s_sample.Values[1]));
        Assert.Equal(ChunkMiss.OtherTokens, s_sample.Check(0, Changed(122, 1))); // the second token
        Assert.Equal(ChunkMiss.OtherState, s_sample.Check(1, ChunkMutants.Seal([.. s_sample.Values[1][..80], 1, .. s_sample.Values[1][81..]])));
        Assert.Equal(ChunkMiss.Damaged, s_sample.Check(0, []));

        byte[] Changed(int at, byte to)
        {
            byte[] changed = [.. value];
            changed[at] = to;
            return ChunkMutants.Seal(changed);
        }
    }

    /// <summary>Sealed mutants reach what lies behind the checksums: what is accepted must be usable, what is not leaves nothing behind.</summary>
    [Fact]
    public void WhateverIsRestoredCanBeUsed() => Fresh.Each("sealed mutants", 1, seed =>
    {
        int restored = 0;
        for (int i = 0; i < 1500; i++)
        {
            byte[][] values = [.. s_sample.Values];
            values[i % 2] = ChunkMutants.Seal(Mutator.Mutant(values[i % 2], new Random(unchecked(seed + i))));
            restored += s_sample.Use(values) > 0 ? 1 : 0;
        }

        Assert.InRange(restored, 750, 1500); // the first chunk alone, where the second was changed
    });
}
