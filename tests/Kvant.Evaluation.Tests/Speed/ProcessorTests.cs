using Kvant.Evaluation.Speed;
using Kvant.Kernels;

namespace Kvant.Evaluation.Tests.Speed;

public sealed class ProcessorTests
{
    [Fact]
    public void OnlyAProcessWithoutVectorsIsToldThatPresetsAreSlow()
    {
        Assert.Contains("no vector instructions", Processor.NoteOf(SimdWidth.Scalar), StringComparison.Ordinal);
        Assert.All((SimdWidth[])[SimdWidth.Bits128, SimdWidth.Bits256, SimdWidth.Bits512], width => Assert.Null(Processor.NoteOf(width)));
        Assert.Equal(SimdSupport.Widest == SimdWidth.Scalar, Processor.Note is not null);
    }
}
