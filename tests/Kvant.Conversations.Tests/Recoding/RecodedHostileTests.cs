using System.Globalization;
using Kvant.Caching;
using Kvant.Conversations.Stores;
using Kvant.Conversations.Tests.Chunks;
using Kvant.Formats;
using Kvant.Tests;
using Kvant.Tests.Formats;

namespace Kvant.Conversations.Tests.Recoding;

/// <summary>Chunks that were coded again and then damaged, cut or forged: never a wrong byte, never an exception.</summary>
public sealed class RecodedHostileTests : IDisposable
{
    private static readonly ChunkMutants s_sample = new();
    private static readonly LayerSpecs s_codecs = LayerSpecs.FromText("turboquant:bits=2");
    private static readonly byte[][] s_values = [.. s_sample.Values.Select(value => ChunkMutants.Recode(value, s_sample.Values[0], s_codecs))];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ChunksAsTheyAreHaveNothingWrong()
    {
        Assert.All([0, 1], chunk => Assert.Null(s_sample.Check(chunk, s_values[chunk])));
        Assert.All([0, 1], chunk => Assert.True(s_values[chunk].Length < s_sample.Values[chunk].Length));
        Assert.Equal(258, s_sample.Use(s_values));
        Assert.Equal(258, s_sample.Use([s_sample.Values[0], s_values[1]]));
        Assert.Equal(258, s_sample.Use([s_values[0], s_sample.Values[1]]));
    }

    [Fact]
    public void EveryFlippedBitAndEveryOtherLengthIsSeen()
    {
        foreach ((int chunk, byte[] value) in s_values.Index())
        {
            byte[] damaged = [.. value];
            for (int bit = 0; bit < 8 * value.Length; bit++)
            {
                damaged[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.NotNull(s_sample.Check(chunk, damaged));
                damaged[bit / 8] = value[bit / 8];
            }

            for (int length = 0; length < value.Length; length++)
                Assert.NotNull(s_sample.Check(chunk, value[..length]));
        }
    }

    /// <summary>Sealed mutants reach what lies behind the checksums.</summary>
    [Fact]
    public void WhateverIsRestoredCanBeUsed() => Fresh.Each("sealed mutants of what was coded again", 1, seed =>
    {
        int restored = 0;
        for (int i = 0; i < 1000; i++)
        {
            byte[][] values = [.. i % 3 == 0 ? s_sample.Values : s_values];
            values[i % 2] = ChunkMutants.Seal(Mutator.Mutant(s_values[i % 2], new Random(unchecked(seed + i))));
            restored += s_sample.Use(values) > 0 ? 1 : 0;
        }

        Assert.InRange(restored, 400, 1000); // the first chunk alone, where the second was changed
    });

    /// <summary>Whoever codes again believes nothing, either: what he writes is whole and no larger.</summary>
    [Fact]
    public void WhateverIsCodedAgainIsAChunk() => Fresh.Each("coded again", 1, seed =>
    {
        for (int i = 0; i < 200; i++)
        {
            var store = new DiskChunkStore(_folder.File(i.ToString(CultureInfo.InvariantCulture)), long.MaxValue, path => AtomicFile.Create(path, _ => 0, _ => 0)); // nobody waits for a disk
            byte[][] values = [.. s_sample.Values];
            values[i % 2] = ChunkMutants.Seal(Mutator.Mutant(values[i % 2], new Random(unchecked(seed + i))));
            store.PutAsync(s_sample.Keys, [.. values.Select(value => (ReadOnlyMemory<byte>)value)]).Wait();
            int problems = store.Verify().Problems.Count;
            DiskReport report = store.Recode(s_codecs);
            Assert.Equal(problems, store.Verify().Problems.Count);
            Assert.Equal(2, report.Files);
            Assert.True(report.Recoded + report.Problems.Count > 0 && report.Saved >= 0);
        }
    });
}
