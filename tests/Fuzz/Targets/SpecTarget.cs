using System.Text;
using Kvant.Codecs;

namespace Kvant.Fuzz.Targets;

/// <summary>Codec specs: text that is one means the same when it is written out, and its codec takes rows or refuses the dimension.</summary>
internal static class SpecTarget
{
    private const int Dimension = 64;

    internal static FuzzTarget Target { get; } = new("spec", Corpus, Read, static e => e is FormatException or ArgumentException)
    {
        AllocatedAtMost = 4 << 20,
    };

    private static byte[][] Corpus() =>
    [
        .. CodecCatalog.Methods.Select(m => m.Name).Concat(["turboquant:bits=3,scale=unbiased,seed=7", "turboquant:bits=2,mean=head,code=trellis", "kivi:bits=2,group=16", "q4_0:rotation=hadamard,mean=64"])
            .Select(spec => Encoding.UTF8.GetBytes(CodecSpec.Parse(spec).FullText)),
    ];

    private static void Read(FuzzInput input)
    {
        CodecSpec spec = CodecSpec.Parse(Encoding.UTF8.GetString(input.Bytes));
        if (CodecSpec.Parse(spec.FullText) != spec || CodecSpec.Parse(spec.ToString()) != spec)
            throw new InvalidOperationException($"'{spec.FullText}' or '{spec}' does not mean the same.");
        foreach (CodecRole role in (CodecRole[])[CodecRole.Rows, CodecRole.Keys, CodecRole.Values])
        {
            Codec codec = spec.CreateCodec(Dimension, role);
            if (!codec.IsCalibrated)
                codec = codec.Calibrate(new float[codec.CalibrationRows * Dimension]);
            byte[] block = new byte[codec.BytesPerBlock];
            float[] rows = new float[codec.RowsPerBlock * Dimension];
            codec.Encode(rows, block);
            codec.Decode(block, rows);
        }
    }
}
