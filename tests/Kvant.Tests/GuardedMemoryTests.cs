namespace Kvant.Tests;

public sealed class GuardedMemoryTests
{
    [Fact]
    public void WriteBeforeTheMemoryIsNoticed()
    {
        using var memory = new GuardedMemory(34);
        memory.Bytes.Fill(7);
        memory.AssertIntact("inside");
        WriteOneBefore(memory.Bytes);
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => memory.AssertIntact("before"));
    }

    [Fact]
    public void SpanEndsAtAPage()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Guard pages are made by Linux calls.");
        using var memory = GuardedMemory.Copy<float>([1, 2, 3]);
        Assert.Equal([1, 2, 3], memory.Floats.ToArray());
        Assert.Equal(0, AddressBehind(memory.Bytes) % Environment.SystemPageSize);
    }

    private static unsafe void WriteOneBefore(Span<byte> bytes)
    {
        fixed (byte* start = bytes)
            start[-1] = 0;
    }

    private static unsafe nint AddressBehind(Span<byte> bytes)
    {
        fixed (byte* start = bytes)
            return (nint)(start + bytes.Length);
    }
}
