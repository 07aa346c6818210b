using Kvant.Evaluation.Reports;
using Kvant.Evaluation.Sources;

namespace Kvant.Evaluation.Tests.Reports;

public sealed class LabelPlacerTests
{
    private static readonly Box s_frame = new(78, 16, 964, 492);

    [Fact]
    public void LabelsCoverNeitherMarksNorEachOther()
    {
        for (ulong seed = 1; seed <= 8; seed++)
        {
            // Sixteen marks in a cloud in the middle, with names as long as real ones.
            float[] cloud = RandomVectors.Normal(16, 2, seed);
            (double X, double Y)[] marks = [.. Enumerable.Range(0, 16).Select(i => (500 + (120.0 * cloud[2 * i]), 250 + (70.0 * cloud[(2 * i) + 1])))];
            string[] texts = [.. Enumerable.Range(0, 16).Select(i => new string('x', 6 + i))];
            Box[] labels = LabelPlacer.Place(marks, texts, s_frame, []);
            for (int i = 0; i < 16; i++)
            {
                Assert.True(labels[i].Outside(s_frame) < 1e-6, $"seed {seed}: label {i} leaves the frame");
                for (int j = 0; j < 16; j++)
                {
                    Assert.True(labels[i].Overlap(Box.Around(marks[j].X, marks[j].Y, PlotMark.Radius, PlotMark.Radius)) == 0, $"seed {seed}: label {i} on mark {j}");
                    Assert.True(j == i || labels[i].Overlap(labels[j]) == 0, $"seed {seed}: label {i} on label {j}");
                }
            }
        }
    }

    [Fact]
    public void LoneLabelStandsToTheRightOfItsMark()
    {
        Box label = Assert.Single(LabelPlacer.Place([(200, 200)], ["fp16"], s_frame, []));
        Assert.InRange(label.Left, 206, 212);
        Assert.Equal(200, (label.Top + label.Bottom) / 2, 6);
    }

    [Fact]
    public void LabelGivesWayToTheLine()
    {
        Box label = Assert.Single(LabelPlacer.Place([(200, 200)], ["fp16"], s_frame, [(200, 200), (400, 200)]));
        Assert.False(label.Top < 200 && label.Bottom > 200 && label.Right > 206, $"{label} covers the line");
    }
}
