using Kvant.Numerics;

namespace Kvant.LlamaCpp.Tests;

/// <summary>States of every kind, for theories.</summary>
internal static class Samples
{
    /// <summary>What there is of each thing that a state can have.</summary>
    public static StateSample[] All { get; } =
    [
        new(),
        new() { Kind = LlamaStateKind.SequenceFile, Tokens = [1, 2, 3, -1] },
        new() { Kind = LlamaStateKind.Context },
        new() { Kind = LlamaStateKind.SessionFile, Tokens = [7] },
        new() { Caches = [new() { KeyType = 0, ValueType = 0, IsTransposed = true }] },
        new() { Caches = [new() { KeyType = 30, ValueType = 1, KeyWidth = 64, ValueWidth = 32, IsTransposed = true }] },
        new() { Caches = [new() { KeyType = 8, ValueType = 8 }] },
        new() { Caches = [new() { KeyType = 8, ValueType = 1 }, new() { Layers = 3, KeyType = 1, ValueType = 2 }] },
        new() { Caches = [new() { Streams = [[], [], StateSample.Run(0, 300), []] }] },
        new() { Caches = [new() { Streams = [StateSample.Run(500, 300)] }, new() { Layers = 1, IsTransposed = true, Streams = [StateSample.Run(700, 100)] }], Recurrent = 1 },
        new()
        {
            Kind = LlamaStateKind.Context,
            Recurrent = 2,
            Caches = [new() { Streams = [StateSample.Run(0, 300, 0, 1, 5), [.. StateSample.Run(0, 20, 2), .. StateSample.Run(90, 270, 2), .. StateSample.Run(30, 10, 2)]] }],
        },
        new() { Kind = LlamaStateKind.Context, Caches = [new() { Streams = [Interleaved(600)] }] },
        new() { Caches = [new() { Streams = [[]] }] },
        new() { Kind = LlamaStateKind.SequenceFile, Caches = [new() { Streams = [[], []] }], Recurrent = 1 },
    ];

    /// <summary>Two sequences that took turns, token by token, behind a beginning that they share.</summary>
    public static (int, int[])[] Interleaved(int count) => [.. Enumerable.Range(0, count).Select(i => i < 100 ? (i, [0, 1]) : (100 + ((i - 100) / 2), new[] { i % 2 }))];

    /// <summary>Any state.</summary>
    public static StateSample Random(int seed)
    {
        var random = new SeededRandom((ulong)seed);
        int Next(int count) => (int)(random.NextBits() % (ulong)count);
        var kind = (LlamaStateKind)Next(4);
        bool whole = kind is LlamaStateKind.Context or LlamaStateKind.SessionFile;
        int[] types = [0, 1, 30, 8];
        StateSample.Cache[] caches = [.. Enumerable.Range(0, 1 + Next(2)).Select(_ =>
        {
            int streams = Next(3) == 0 ? 1 + Next(4) : 1, own = Next(streams), key = types[Next(4)], value = types[Next(4)];
            return new StateSample.Cache
            {
                Layers = 1 + Next(3),
                KeyType = key,
                ValueType = value,
                KeyWidth = 32 * (1 + Next(3)),
                ValueWidth = 32 * (1 + Next(3)),
                IsTransposed = value != 8 && Next(2) == 0,
                Streams = [.. Enumerable.Range(0, streams).Select(stream => whole || stream == own ? Cells(whole ? 3 : 1) : [])],
            };
        })];
        return new() { Kind = kind, Caches = caches, Recurrent = Next(3) == 0 ? (whole ? 1 + Next(2) : 1) : -1, Seed = (ulong)seed, Tokens = kind == LlamaStateKind.SequenceFile ? [1, 2, seed] : [] };

        (int, int[])[] Cells(int sequences)
        {
            List<(int, int[])> cells = [];
            int[] next = new int[sequences];
            for (int pieces = Next(6); pieces > 0; pieces--)
            {
                int sequence = Next(sequences);
                next[sequence] += Next(2) * Next(50);
                int count = Next(2) == 0 ? 1 + Next(10) : Next(500);
                cells.AddRange(StateSample.Run(next[sequence], count, sequence));
                next[sequence] += count;
            }

            return [.. cells];
        }
    }
}
