using System.Diagnostics;
using System.Globalization;
using Kvant.Caching;
using Kvant.Conversations;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Models.Decoding;

namespace Kvant.Benchmarks.Serving;

/// <summary>How long looking up a prefix takes: one's own, another tenant's, and one that nobody has. The last two must not be told apart.</summary>
internal static class TenantTimes
{
    private const int Rounds = 2000;
    private const int Tokens = 1000;

    private static readonly double[] s_shares = [.05, .25, .5, .75, .95];

    public static async Task<int> RunAsync(string model)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("kvant-tenants-");
        try
        {
            using LanguageModel opened = LanguageModel.Open(model);
            using PagePool pool = new();
            KvCacheOptions cache = KvCacheOptions.Preset("balanced", opened.CacheGeometry) with { Identity = opened.Identity, Pool = pool };
            DiskChunkStore store = new(folder.FullName);
            await using PrefixStore first = new(store, new PrefixOptions { Cache = cache, Tenant = "first" }), second = new(store, new PrefixOptions { Cache = cache, Tenant = "second" });
            int[] known = Sequence(opened, 0), unknown = Sequence(opened, 1);
            using (BatchDecoder decoder = new(opened, new DecoderOptions { Batch = 256, Threads = 2 }))
            using (KvCache written = new(cache))
            {
                decoder.Read(written, known);
                first.Follow(written).Store(known);
                await first.FlushAsync();
            }

            List<double> hit = [], others = [], nobodys = [];
            Random random = new(1);
            for (int round = 0; round < Rounds; round++)
            {
                // In another order each time, so that what the one leaves in caches of the machine helps no particular other.
                foreach (int which in Enumerable.Range(0, 3).OrderBy(_ => random.Next()))
                {
                    int[] tokens = which == 2 ? unknown : known;
                    long start = Stopwatch.GetTimestamp();
                    using StoredSequence found = await (which == 0 ? first : second).RestoreAsync(tokens);
                    double micros = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
                    if (found.RestoredTokens > 0 != (which == 0) || (which > 0 && found.Miss != ChunkMiss.Absent))
                        throw new InvalidOperationException($"{found.RestoredTokens} tokens were restored for case {which}, {found.Miss}");
                    (which == 0 ? hit : which == 1 ? others : nobodys).Add(micros);
                }
            }

            Console.WriteLine($"{Tokens} tokens, {Rounds} lookups of each in turn; microseconds at 5 %, 25 %, 50 %, 75 %, 95 %");
            Show("one's own prefix, restored", hit);
            Show("another tenant's, a miss", others);
            Show("nobody's, a miss", nobodys);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"how often a lookup of another tenant's took longer than one of nobody's (.5 says nothing): {Longer(others, nobodys):f3}; that two halves of nobody's give: {Longer([.. nobodys.Where((_, i) => i % 2 == 0)], [.. nobodys.Where((_, i) => i % 2 == 1)]):f3}"));
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static int[] Sequence(LanguageModel model, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, Tokens).Select(_ => random.Next(model.VocabularySize))];
    }

    // The area under the curve that tells the two apart.
    private static double Longer(List<double> a, List<double> b) => a.Average(x => b.Average(y => x > y ? 1 : x < y ? 0 : .5));

    private static void Show(string what, List<double> times)
    {
        double[] sorted = [.. times.Order()];
        Console.WriteLine($"  {what,-30} {string.Join(' ', s_shares.Select(q => sorted[(int)(q * sorted.Length)].ToString("f0", CultureInfo.InvariantCulture).PadLeft(8)))}");
    }
}
