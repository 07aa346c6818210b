namespace Kvant.Caching;

// What a layer does as it fills: rows move to steps of fewer bytes when its share of the cache's limit asks for it, as others do when they have an age.
// All is counted as if rows moved one by one, so that what is needed never shrinks while rows come, and follows from how many there are.
internal sealed partial class LayerLayout
{
    /// <summary>The most bytes that the layer may hold.</summary>
    public long MemoryLimit { get; internal set; } = long.MaxValue;

    /// <summary>Bytes of the front and the pages of an extent.</summary>
    public long Bytes(LayerExtent extent)
    {
        long bytes = extent.Length > 0 ? FrontBytes : 0;
        for (int step = 0; step < Steps.Length; step++)
        {
            (int first, int end) = Pages(extent, step);
            bytes += (end - first) * Steps[step].PageBytes;
        }

        return bytes;
    }

    /// <summary>Whether an extent that calls lead to is more than the layer may hold; what takes no more than before always may.</summary>
    public bool IsTooMuch(LayerExtent before, LayerExtent after) => MemoryLimit < long.MaxValue && Bytes(after) is var bytes && bytes > MemoryLimit && bytes > Bytes(before);

    /// <summary>Whether the block that leaves the window next goes on to a step at once: the layer is so full that no newer step keeps a row.</summary>
    public bool GoesStraightTo(LayerExtent extent, int step) => MemoryLimit < long.MaxValue && Steps[step].Age == AgeStep.WhenFull && extent.BodyRows == extent.End(step)
        && Rows(extent) >= extent.BodyRows + BlockRows && SqueezedRow(extent, (long)Rows(extent) + BlockRows, step) > extent.BodyRows;

    /// <summary>How many steps take rows as memory fills.</summary>
    public int FullSteps => Steps.Count(step => step.Age == AgeStep.WhenFull);

    /// <summary>The largest page of those steps.</summary>
    public long FullPageBytes => Steps.Max(step => step.Age == AgeStep.WhenFull ? step.PageBytes : 0);

    /// <summary>What a layer becomes as a full pool wants pages of it: the oldest rows that a step for a full cache has not yet, in whole pages. The same where there are none.</summary>
    /// <param name="extent">What it is.</param>
    /// <param name="full">Which of those steps, from 0 on.</param>
    /// <param name="rows">How many rows at most, but for what fills a page.</param>
    public LayerExtent Squeezed(LayerExtent extent, int full, int rows)
    {
        if (full >= FullSteps)
            return extent;
        int step = FirstSqueeze + full, first = Math.Max(extent.End(step), FirstBlockRow(extent));
        long end = Math.Min((long)first + rows, extent.BodyRows) / SideLayout.PageRows * SideLayout.PageRows;
        if (end <= first)
            return extent;
        StepEnds older = extent.Older;
        // Nothing is newer in a newer step.
        for (int newer = 1; newer <= step; newer++)
            older[newer - 1] = Math.Max(older[newer - 1], (int)end);
        return extent.With(older);
    }

    /// <summary>Bytes of a page of the oldest rows that are stored by age alone.</summary>
    public long OldestPageBytes => Steps[FirstSqueeze - 1].PageBytes;

    // The first step of those that take rows as the layer fills; as many as there are steps if there is none.
    public int FirstSqueeze
    {
        get
        {
            int step = 1;
            while (step < Steps.Length && Steps[step].Age < AgeStep.WhenFull)
                step++;
            return step;
        }
    }

    // The first step of those that calls made; as many as there are steps if there is none.
    private int FirstCalled
    {
        get
        {
            int step = 1;
            while (step < Steps.Length && Steps[step].Age < AgeStep.Never)
                step++;
            return step;
        }
    }

    // Rows of a step begin and end within pages, and what is new is there before what is old goes.
    private long SpareBytes
    {
        get
        {
            long bytes = 0;
            foreach (StepLayout step in Steps)
                bytes += 2 * step.PageBytes;
            return bytes;
        }
    }

    private LayerExtent Squeezed(LayerExtent extent)
    {
        int first = FirstSqueeze;
        if (MemoryLimit == long.MaxValue || first == Steps.Length || Steps[first].Age != AgeStep.WhenFull)
            return extent;
        StepEnds older = extent.Older;
        for (int step = first; step < Steps.Length && Steps[step].Age == AgeStep.WhenFull; step++)
        {
            long wanted = SqueezedRow(extent, Rows(extent), step);
            older[step - 1] = Math.Max(older[step - 1], (int)Math.Min(extent.BodyRows, (wanted + BlockRows - 1) / BlockRows * BlockRows));
        }

        // Nothing is newer in a newer step.
        for (int step = Steps.Length - 2; step >= 1; step--)
            older[step - 1] = Math.Max(older[step - 1], older[step]);
        return extent.With(older);
    }

    // The row behind the last that a step, or an older one, must have once there are so many rows.
    private long SqueezedRow(LayerExtent extent, long rows, int step)
    {
        // What calls coded again stays where it is.
        long first = Math.Max(Math.Max(0, FirstLiveRow(extent)), extent.End(FirstCalled)), living = Math.Max(0, rows - first), body = Math.Max(0, living - _waiting), least = 0, most = body;
        long bytes = BytesByAge(living) + BytesByCalls(extent) + (SideLayout.PageRows * (FrontBytes + SpareBytes - MemoryLimit));
        // Steps before take all they can first.
        for (int newer = FirstSqueeze; newer < step; newer++)
            bytes -= Saved(living, body, newer);
        if (bytes <= 0)
            return 0;
        while (least < most)
        {
            long middle = least + ((most - least) / 2);
            if (Saved(living, middle, step) >= bytes)
                most = middle;
            else
                least = middle + 1;
        }

        return first + least;
    }

    // What the oldest rows take less in a step than where they would be else: in the step before, if that is one of these, or by age.
    private long Saved(long living, long squeezed, int step)
    {
        long less = 0, left = squeezed;
        if (step > FirstSqueeze)
            return Share(squeezed, Steps[step - 1].PageBytes - Steps[step].PageBytes);
        for (int aged = FirstSqueeze - 1; aged >= 0 && left > 0; aged--)
        {
            long taken = Math.Min(left, RowsByAge(living, aged));
            less += Share(taken, Steps[aged].PageBytes - Steps[step].PageBytes);
            left -= taken;
        }

        return less;
    }

    private long BytesByAge(long living)
    {
        long bytes = 0;
        for (int step = 0; step < FirstSqueeze; step++)
            bytes += Share(RowsByAge(living, step), Steps[step].PageBytes);
        return bytes;
    }

    // None counts for more than the oldest rows that come by themselves, so that what is needed does not shrink as they are evicted one by one.
    private long BytesByCalls(LayerExtent extent)
    {
        long bytes = 0, dead = Math.Max(0, FirstLiveRow(extent));
        for (int step = FirstCalled; step < Steps.Length; step++)
            bytes += Share(Math.Max(0, extent.End(step) - Math.Max(dead, extent.End(step + 1))), Math.Min(Steps[step].PageBytes, OldestPageBytes));
        return bytes;
    }

    private long RowsByAge(long living, int step)
    {
        long older = step + 1 < FirstSqueeze ? Math.Max(0, living - AgeOf(step + 1)) : 0;
        return Math.Max(0, living - AgeOf(step)) - older;
    }

    // In bytes by page, so that nothing is rounded.
    private static long Share(long rows, long pageBytes) => rows * pageBytes;

    // How many appends go by until a step takes one block more, once the layer is full.
    private int AppendsPerSqueeze(int step)
    {
        if (Steps[step].Age != AgeStep.WhenFull)
            return 0;
        long saved = (step > FirstSqueeze ? Steps[step - 1] : Steps[FirstSqueeze - 1]).PageBytes - Steps[step].PageBytes, comes = Steps[FirstSqueeze - 1].PageBytes - (step > FirstSqueeze ? Steps[FirstSqueeze - 1].PageBytes - Steps[step - 1].PageBytes : 0);
        return (int)Math.Clamp(BlockRows * saved / Math.Max(1, comes), 1, BlockRows);
    }

    // As many appends before that one.
    private int SqueezingAppend(LayerExtent extent, int step)
    {
        int appends = AppendsPerSqueeze(step), left = 0;
        if (MemoryLimit == long.MaxValue)
            return 0;
        while (left < appends && SqueezedRow(extent, (long)Rows(extent) + left, step) <= extent.End(step))
            left++;
        return appends - left;
    }
}
