using Kvant.Caching;
using Kvant.Evaluation.Tuning;

namespace Kvant.Evaluation.Tests.Tuning;

public sealed class FullStepsTests
{
    // From few bytes to little loss: values of layer 0, keys of layer 1, keys of layer 0, keys of layer 1 once more get more.
    private static readonly TunePoint[] s_steps =
    [
        Step("turboquant:bits=2 / turboquant:bits=2", "turboquant:bits=2 / turboquant:bits=2"),
        Step("turboquant:bits=2 / turboquant:bits=3", "turboquant:bits=2 / turboquant:bits=2"),
        Step("turboquant:bits=2 / turboquant:bits=3", "turboquant:bits=3 / turboquant:bits=2"),
        Step("turboquant:bits=4 / turboquant:bits=3", "turboquant:bits=3 / turboquant:bits=2"),
        Step("turboquant:bits=4 / turboquant:bits=3", "turboquant:bits=4 / turboquant:bits=2"),
    ];

    [Fact]
    public void WhatWasDearestIsGivenUpLast()
    {
        LayerPolicy policy = FullSteps.Of(s_steps, chosen: 4, floor: 0);
        // Walked back, keys of layer 0 reach their floor before its values do.
        Assert.Equal(LayerSpecs.FromText("turboquant:bits=4 / turboquant:bits=3; full: turboquant:bits=2 / turboquant:bits=3; full: turboquant:bits=2"), policy[0]);
        // Straight to the floor, and not by way of 3 bits.
        Assert.Equal(LayerSpecs.FromText("turboquant:bits=4 / turboquant:bits=2; full: turboquant:bits=2"), policy[1]);
    }

    [Fact]
    public void LayersThatAreAtTheirFloorHaveNoSteps()
    {
        LayerPolicy policy = FullSteps.Of(s_steps, chosen: 2, floor: 1);
        Assert.Empty(policy[0].Ages);
        Assert.Equal("turboquant:bits=3 / turboquant:bits=2; full: turboquant:bits=2", policy[1].ToString());
    }

    private static TunePoint Step(string first, string second) => new(new LayerPolicy([LayerSpecs.FromText(first), LayerSpecs.FromText(second)]), 0, 0, 0, null, false);
}
