using Kvant.Caching;
using Kvant.Formats;
using Kvant.LlamaCpp.Compression;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Tests;

/// <summary>Files that claim much and hold little, with checksums that are right: they take no more memory than what they hold is worth.</summary>
public sealed class ProportionTests
{
    private const long Allowed = 4 << 20;

    private static readonly LayerPolicy s_policy = new([LayerSpecs.Parse("fp32")]);
    private static readonly LayerRows s_rows = new(GgmlType.F16, 64, GgmlType.F16, 64);
    private static readonly LayerGeometry s_shape = new() { KvHeads = 1, KeyDimension = 32, ValueDimension = 32 };

    [Fact]
    public void LayersOfManyStreamsAreNoMoreThanModelsHave()
    {
        CellTable cells = Cells((0, 1));
        byte[] file = ForgedFile.Of(new AttentionPart(false, [.. Enumerable.Repeat(s_rows, 4000)], [.. Enumerable.Repeat(new StreamPart(cells, [], []), 256)]));
        Refused(file, "4000 layers");
    }

    [Fact]
    public void TokensThatAreOnlyClaimedTakeNoRowsBesideThoseThatAreThere()
    {
        CellTable cells = Cells((0, 300), (1000, 1_000_000));
        List<Segment> segments = Segment.Of(cells);
        List<SegmentCache> caches = segments.ConvertAll(segment => SegmentCache.Create(segment, [s_shape], s_policy, new()));
        byte[] rows = new byte[300 * 64];
        using var pool = new PagePool();
        using var team = new Attention.WorkerTeam(1);
        byte[] first = caches[0].Compress(0, CacheRows.Rows(GgmlType.F16, rows), CacheRows.Rows(GgmlType.F16, rows), pool, team).ToArray();
        Assert.Equal(2, caches.Count);
        Refused(ForgedFile.Of(Part(cells), (FrameKind.Cache, caches[0].HeaderBytes()), (FrameKind.Cache, caches[1].HeaderBytes()), (FrameKind.Layer, first)), "ends");
    }

    [Fact]
    public void WindowThatIsOnlyClaimedTakesNoMemory()
    {
        CellTable cells = Cells((0, 40));
        Segment segment = Segment.Of(cells)[0];
        byte[] header = Header(segment, new() { Geometry = Geometry, Policy = s_policy, Sinks = 4, Window = 10_000_000 });
        var claimed = SegmentCache.Read(segment, header, [s_rows], "test");
        Refused(ForgedFile.Of(Part(cells), (FrameKind.Cache, header), (FrameKind.Layer, new byte[claimed.LayerBytes(0)])), "of memory");
    }

    /// <summary>A window that a caller asks for, longer than any state, costs nothing and comes back.</summary>
    [Fact]
    public void WindowMayBeLongerThanTheState()
    {
        byte[] bytes = Samples.All[0].ToBytes();
        Assert.Equal(bytes, LlamaStateFileTests.Restore(LlamaStateFileTests.Compress(bytes, new() { Policy = s_policy, Sinks = 1_000_000, Window = 10_000_000 })));
    }

    /// <summary>What decodes a piece of a head takes what that piece has, not what the longest would.</summary>
    [Fact]
    public void FewTokensOfWideHeadsTakeLittle()
    {
        // A prime number of numbers is one head.
        byte[] bytes = new StateSample { Caches = [new() { Layers = 1, KeyWidth = 4093, ValueWidth = 4093, Streams = [StateSample.Run(0, 1)] }] }.ToBytes();
        byte[] file = LlamaStateFileTests.Compress(bytes, new() { Policy = s_policy, Threads = 1 });
        var back = new MemoryStream(new byte[bytes.Length]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        LlamaStateFile.Open(new MemoryStream(file)).Restore(back, threads: 1);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, Allowed + (16 * file.Length));
        Assert.Equal(bytes, back.ToArray());
    }

    [Fact]
    public void CachesThatNoWriterMakesAreRefused()
    {
        CellTable cells = Cells((0, 40));
        Segment segment = Segment.Of(cells)[0];
        KvCacheOptions plain = new() { Geometry = Geometry, Policy = s_policy, Sinks = 4, Window = 64 };
        _ = SegmentCache.Read(segment, Header(segment, plain), [s_rows], "test");
        foreach (KvCacheOptions other in (KvCacheOptions[])[plain with { MemoryLimit = 1 << 20 }, plain with { DraftTokens = 3 }, plain with { Eviction = new Eviction.Newest(500) }, plain with { Identity = new() { Note = "another" } }])
            Assert.Throws<InvalidDataException>(() => SegmentCache.Read(segment, Header(segment, other), [s_rows], "test"));
    }

    /// <summary>Rows that are kept as they are lie in one piece, of which .NET has no more than 2 GiB: nothing is begun that cannot be ended.</summary>
    [Fact]
    public void RowsThatDoNotFitOnePieceAreRefusedBeforeAByteIsWritten()
    {
        string path = Path.GetTempFileName();
        try
        {
            using var file = new FileStream(path, FileMode.Create, FileAccess.ReadWrite, FileShare.None, 4096, FileOptions.DeleteOnClose);
            LayerRows rows = new(GgmlType.Find("q8_0")!, 34 << 15, GgmlType.Find("q8_0")!, 34 << 15);
            AttentionPart part = new AttentionPart(false, [rows], [new StreamPart(Cells((0, 1200)), [], [])]).At(8);
            // A file with holes: 2.7 GB that take no room.
            file.SetLength(8 + part.StateBytes);
            file.Write([0xd8, 0x3c, 0x14, 0xaf, 0, 0, 0, 0]);
            part.WriteOutline(file, 0, 8, null);
            file.Position = 0;
            using var written = new MemoryStream();
            var refused = Assert.Throws<ArgumentException>(() => LlamaStateFile.Compress(LlamaState.Read(file), written));
            Assert.Contains("1200 cells", refused.Message, StringComparison.Ordinal);
            Assert.Equal(0, written.Length);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static CacheGeometry Geometry => new() { Layers = 1, KvHeads = 1, KeyDimension = 32, ValueDimension = 32 };

    private static AttentionPart Part(CellTable cells) => new(false, [s_rows], [new StreamPart(cells, [], [])]);

    private static CellTable Cells(params (int Position, int Count)[] runs)
    {
        var cells = new CellTable();
        foreach ((int position, int count) in runs)
            cells.Add(count, position, [0]);
        return cells;
    }

    private static byte[] Header(Segment segment, KvCacheOptions options)
    {
        LayerLayout[] layouts = LayerLayouts.Create(options);
        using var stream = new MemoryStream();
        new CacheHeader(options, layouts, Array.ConvertAll(layouts, layout => layout.AfterAppend(layout.Empty, segment.Count))).Write(new ChecksummedWriter(stream));
        return stream.ToArray();
    }

    private static void Refused(byte[] file, string reason)
    {
        using var back = new MemoryStream();
        long before = GC.GetAllocatedBytesForCurrentThread();
        var refused = Assert.Throws<InvalidDataException>(() => LlamaStateFile.Open(new MemoryStream(file)).Restore(back, threads: 1));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, Allowed + (64 * file.Length));
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }
}
