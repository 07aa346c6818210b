using Kvant.Codecs;
using Kvant.Evaluation.Tuning;

namespace Kvant.Evaluation.Tests.Tuning;

public sealed class FrontierTests
{
    private static readonly CodecSpec s_any = CodecSpec.Parse("fp16");

    // All combinations of a few places, by brute force: no combination is better than a step at no more bits than the step's.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void NoCombinationBeatsAStep(int seed)
    {
        var random = new Random(seed);
        Choice[][] places = [.. Enumerable.Range(0, 4).Select(_ => Enumerable.Range(0, 5).Select(i => new Choice(s_any, i + 1 + random.NextDouble(), random.NextDouble() * Math.Pow(4, -i))).ToArray())];
        List<int[]> steps = Frontier.Of(places);
        for (int code = 0; code < 625; code++)
        {
            int[] other = [code % 5, code / 5 % 5, code / 25 % 5, code / 125];
            foreach (int[] step in steps)
                Assert.False(Bits(other) <= Bits(step) + 1e-12 && Loss(other) < Loss(step) - 1e-12, $"{string.Join(' ', other)} beats {string.Join(' ', step)}");
        }

        Assert.Equal(places.Sum(p => p.Min(c => c.Bits)), steps.Min(Bits), 12);
        Assert.Equal(places.Sum(p => p.Min(c => c.Loss)), Loss(steps[^1]), 12);
        Assert.True(steps.Zip(steps.Skip(1)).All(s => Bits(s.First) < Bits(s.Second) && Loss(s.First) > Loss(s.Second)));

        double Bits(int[] chosen) => chosen.Select((choice, place) => places[place][choice].Bits).Sum();

        double Loss(int[] chosen) => chosen.Select((choice, place) => places[place][choice].Loss).Sum();
    }

    [Fact]
    public void CodecThatTwoOthersBeatTogetherIsNeverChosen()
    {
        Choice[] place = [new(s_any, 2, 1), new(s_any, 3, .9), new(s_any, 4, .1), new(s_any, 5, .2)];
        Assert.Equal([[0], [2]], Frontier.Of([place]));
    }
}
