using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.LlamaCpp.Compression;
using Kvant.LlamaCpp.States;
using Kvant.Tests;

namespace Kvant.LlamaCpp.Tests;

public sealed class LlamaStateFileTests
{
    // Everything comes back as it was: single precision holds what the types of a cache hold.
    private static readonly LlamaStateOptions s_exact = new() { Policy = [LayerSpecs.Parse("fp32")], Threads = 2 };

    public static TheoryData<int> Kinds => [.. Enumerable.Range(0, Samples.All.Length)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void EveryKindOfStateComesBackBitForBit(int sample)
    {
        byte[] bytes = Samples.All[sample].ToBytes(), file = Compress(bytes, s_exact);
        Assert.Equal(bytes, Restore(file));
        LlamaStateFile.Open(new MemoryStream(file)).Verify();
        Assert.Equal(bytes.Length, LlamaStateFile.Open(new MemoryStream(file)).StateBytes);
    }

    [Fact]
    public void AnyStateComesBackBitForBit() => Fresh.Each("llama.cpp's states", 60, seed =>
    {
        byte[] bytes = Samples.Random(seed).ToBytes();
        Assert.Equal(bytes, Restore(Compress(bytes, s_exact)));
    });

    [Theory]
    [InlineData("quality", 1.9, .00005)]
    [InlineData("balanced", 3.4, .015)]
    [InlineData("tiny", 4.7, .15)]
    public void PresetsAreSmallAndNear(string preset, double smaller, double error)
    {
        byte[] bytes = new StateSample { Caches = [new() { KeyWidth = 128, ValueWidth = 128, Streams = [StateSample.Run(0, 2000)] }] }.ToBytes();
        byte[] file = Compress(bytes, new() { Policy = CachePreset.Named(preset).ForLayers(1) }), back = Restore(file);
        Assert.InRange((double)bytes.Length / file.Length, smaller, 16);
        Assert.InRange(Error(bytes, back), 0, error);
        Assert.InRange(Error(bytes, new byte[bytes.Length]), .9, 1.1);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void StreamsThatGoOneWayAreEnoughForTheCompressedSide(int sample)
    {
        byte[] bytes = Samples.All[sample].ToBytes();
        using var written = new MemoryStream();
        LlamaStateFile.Compress(LlamaState.Read(new MemoryStream(bytes)), new OneWay(written), s_exact);
        var back = new MemoryStream();
        LlamaStateFile.Open(new OneWay(new MemoryStream(written.ToArray()))).Restore(back);
        Assert.Equal(bytes, back.ToArray());
        Assert.Throws<ArgumentException>(() => LlamaStateFile.Open(new MemoryStream(written.ToArray())).Restore(new OneWay(back)));
    }

    [Fact]
    public void StateMayStandBehindOtherBytes()
    {
        byte[] bytes = Samples.All[9].ToBytes();
        var source = new MemoryStream([9, 9, 9, .. bytes]) { Position = 3 };
        using var written = new MemoryStream();
        LlamaStateFile.Compress(LlamaState.Read(source), written, s_exact);
        var back = new MemoryStream(new byte[bytes.Length + 5]) { Position = 5 };
        LlamaStateFile.Open(new MemoryStream(written.ToArray())).Restore(back);
        Assert.Equal(bytes.Length + 5, back.Position);
        Assert.Equal(bytes, back.ToArray()[5..]);
    }

    [Fact]
    public void NumbersThatNoCodecTakesAreKeptAsTheyAre()
    {
        byte[] bytes = new StateSample { Caches = [new() { Layers = 3, Streams = [StateSample.Run(0, 300)] }] }.ToBytes();
        // In the keys of the second layer.
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(16 + (300 * 12) + 8 + 12 + (300 * 64) + 12 + 100), 0x7e01);
        byte[] back = Restore(Compress(bytes, new() { Policy = CachePreset.Named("tiny").ForLayers(1) }));
        (int first, int second, int third) = (Differences(0), Differences(1), Differences(2));
        Assert.True(first > 1000 && third > 1000);
        Assert.Equal(0, second);

        int Differences(int layer)
        {
            int at = 16 + (300 * 12) + 8 + (layer * (12 + (300 * 64))) + 12;
            return Enumerable.Range(at, 300 * 64).Count(i => bytes[i] != back[i]);
        }
    }

    [Fact]
    public void NumbersThatAreNoneStayNoneInOtherTypes()
    {
        byte[] numbers = new byte[16], halves = new byte[8];
        foreach ((int i, uint bits) in ((int, uint)[])[(0, 0x7fffffff), (1, 0xffffffff), (2, 0x7f800001), (3, 0x3f800000)])
            BinaryPrimitives.WriteUInt32LittleEndian(numbers.AsSpan(4 * i), bits);
        foreach (GgmlType type in (GgmlType[])[GgmlType.BF16, GgmlType.F16])
        {
            RowConversion.Convert(GgmlType.F32, numbers, type, halves);
            byte[] back = new byte[16];
            RowConversion.Convert(type, halves, GgmlType.F32, back);
            Assert.Equal([float.NaN, float.NaN, float.NaN, 1], MemoryMarshal.Cast<byte, float>(back).ToArray());
        }
    }

    [Fact]
    public void ShiftedPositionsAreOneStretchAndHolesAreSeveral()
    {
        Assert.Equal([(300, true)], Segments(StateSample.Run(1000, 300)));
        Assert.Equal([(300, true), (400, true)], Segments([.. StateSample.Run(0, 300), .. StateSample.Run(500, 400)]));
        // Sinks before a gap are too few for a cache of their own.
        Assert.Equal([(400, true), (4, false)], Segments([.. StateSample.Run(0, 4), .. StateSample.Run(500, 400)]));
        Assert.Equal([(10, false)], Segments([.. StateSample.Run(0, 4), .. StateSample.Run(7, 6)]));
        // A ring that has turned: the newest lie before the oldest.
        Assert.Equal([(300, true)], Segments([.. StateSample.Run(200, 100), .. StateSample.Run(0, 200)]));
        // Of two sequences that took turns each is one, and so is what they share.
        Assert.Equal([(300, true), (300, true), (100, false)], Segments(Samples.Interleaved(700)));

        static (int, bool)[] Segments((int Position, int[] Sequences)[] cells)
        {
            var table = new CellTable();
            foreach ((int position, int[] sequences) in cells)
                table.Add(1, position, sequences);
            return [.. Segment.Of(table).Select(segment => (segment.Count, segment.IsConsecutive))];
        }
    }

    [Fact]
    public void PositionsThatAreKnownMakeKeysNearer()
    {
        // Keys that share a vector which positions turn, as those of models with biases do.
        byte[] bytes = new StateSample { Caches = [new() { KeyWidth = 64, ValueWidth = 64, Streams = [StateSample.Run(70, 1000)] }] }.ToBytes();
        var rotary = new RotaryEmbedding { Base = 10000 };
        double[] speeds = rotary.Speeds(64);
        for (int token = 0; token < 1000; token++)
        {
            Span<byte> row = bytes.AsSpan(16 + (1000 * 12) + 8 + 12 + (token * 128), 128);
            for (int i = 0; i < 32; i++)
            {
                Add(row[(2 * i)..], 20 * Math.Cos((token + 70) * speeds[i]));
                Add(row[(2 * (i + 32))..], 20 * Math.Sin((token + 70) * speeds[i]));
            }
        }

        var geometry = new CacheGeometry { Layers = 2, KvHeads = 1, KeyDimension = 64, ValueDimension = 64, Rotary = rotary };
        LlamaStateOptions options = new() { Policy = [LayerSpecs.Parse("turboquant:bits=4,frame=balanced")] };
        double known = Error(bytes, Restore(Compress(bytes, options with { Geometry = geometry }))), unknown = Error(bytes, Restore(Compress(bytes, options)));
        Assert.InRange(known / unknown, 0, .2);

        static void Add(Span<byte> place, double number) => BinaryPrimitives.WriteHalfLittleEndian(place, (Half)((double)BinaryPrimitives.ReadHalfLittleEndian(place) + number));
    }

    [Fact]
    public void CancellationStopsBetweenLayers()
    {
        byte[] bytes = Samples.All[0].ToBytes();
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => LlamaStateFile.Compress(LlamaState.Read(new MemoryStream(bytes)), new MemoryStream(), s_exact, null, cancelled.Token));
        Assert.Throws<OperationCanceledException>(() => LlamaStateFile.Open(new MemoryStream(Compress(bytes, s_exact))).Restore(new MemoryStream(), 1, null, cancelled.Token));
    }

    [Fact]
    public void WhatDoesNotFitIsRefusedBeforeAByteIsWritten()
    {
        byte[] bytes = Samples.All[0].ToBytes();
        Refused(new() { Policy = CachePreset.Default.ForLayers(3) }, "The policy is for 3 layers; the state has 2");
        Refused(new() { Policy = [LayerSpecs.Parse("q8") with { Eviction = new Eviction.Newest(10) }] }, "forgets tokens");
        Refused(new() { Geometry = new() { Layers = 3, KvHeads = 1, KeyDimension = 32, ValueDimension = 32 } }, "The model has 3 layers");
        Refused(new() { Geometry = new() { Layers = 2, KvHeads = 1, KeyDimension = 24, ValueDimension = 24 } }, "the model's heads have 24 and 24");

        void Refused(LlamaStateOptions options, string reason)
        {
            using var written = new MemoryStream();
            var refused = Assert.Throws<ArgumentException>(() => LlamaStateFile.Compress(LlamaState.Read(new MemoryStream(bytes)), written, options));
            Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
            Assert.Equal(0, written.Length);
        }
    }

    [Fact]
    public void FileSaysWhatItIsOf()
    {
        LlamaStateOptions options = s_exact with { Identity = new() { Weights = "w", Positions = "p" }, Tokens = [5, 6] };
        LlamaStateFile file = LlamaStateFile.Open(new MemoryStream(Compress(Samples.All[2].ToBytes(), options)));
        Assert.Equal((options.Identity, LlamaStateKind.Context, "llama", true, 40L), (file.Identity, file.Kind, file.Architecture, file.IsWhole, file.Cells));
        Assert.Equal([5, 6], file.Tokens);
    }

    internal static byte[] Compress(byte[] state, LlamaStateOptions options)
    {
        using var file = new MemoryStream();
        LlamaStateFile.Compress(LlamaState.Read(new MemoryStream(state)), file, options);
        return file.ToArray();
    }

    internal static byte[] Restore(byte[] file)
    {
        var state = new MemoryStream();
        LlamaStateFile.Open(new MemoryStream(file)).Restore(state, 2);
        return state.ToArray();
    }

    // Of the numbers of fp16, their energy lost.
    internal static double Error(byte[] wanted, byte[] found)
    {
        double lost = 0, energy = 0;
        var state = LlamaState.Read(new MemoryStream(wanted));
        foreach (AttentionPart part in state.Parts.OfType<AttentionPart>().Where(part => part.Layers[0].IsFloat))
        {
            foreach ((long at, int cells) in part.Streams.SelectMany(stream => stream.KeyOffsets.Concat(stream.ValueOffsets).Select(offset => (offset, stream.Cells.Count))))
            {
                for (long i = at; i < at + (cells * part.Layers[0].KeyBytes); i += 2)
                {
                    double a = (double)BinaryPrimitives.ReadHalfLittleEndian(wanted.AsSpan((int)i)), b = (double)BinaryPrimitives.ReadHalfLittleEndian(found.AsSpan((int)i));
                    (lost, energy) = (lost + ((a - b) * (a - b)), energy + (a * a));
                }
            }
        }

        return lost / energy;
    }
}
