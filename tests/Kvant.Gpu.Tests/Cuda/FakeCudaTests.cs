using static Kvant.Gpu.Tests.Cuda.CudaCalls;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Tests that use the driver that exists in tests only: one at a time, since it is one for the process.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class FakeCudaCollection
{
    public const string Name = "FakeCuda";
}

/// <summary>The driver does what the real one does, also where it is misused.</summary>
[Collection(FakeCudaCollection.Name)]
public sealed class FakeCudaTests : IDisposable
{
    public FakeCudaTests() => FakeCuda.Reset();

    public void Dispose() => FakeCuda.Reset();

    [Fact]
    public void AKernelAddsVectors()
    {
        const int Count = 1000;
        Start();
        float[] a = [.. Enumerable.Range(0, Count).Select(i => i * 0.5f)], b = [.. Enumerable.Range(0, Count).Select(i => 7f - i)], sums = new float[Count];
        (ulong first, ulong second) = (Allocate(Count * 4), Allocate(Count * 4));
        Assert.Equal(0, CreateStream(out nint stream));
        Assert.Equal(0, Load(Add, out nint module, out _));
        Assert.Equal(0, Function(module, "add", out nint function));
        Assert.Equal(0, Write(first, a, stream));
        Assert.Equal(0, Write(second, b, stream));
        Assert.Equal(0, Launch(function, 16, 64, stream, first, second, Count));
        Assert.Equal(0, Synchronize(stream));
        Assert.Equal(0, Read(sums, second, stream));
        Assert.Null(FakeCuda.Fault);
        Assert.Equal(a.Zip(b, (x, y) => x + y), sums);
        Assert.Equal((2, 1, 1, 1), (FakeCuda.Allocations, FakeCuda.Modules, FakeCuda.Streams, FakeCuda.Retains));
        Assert.Equal(0, Free(first));
        Assert.Equal(0, Free(second));
        Assert.Equal(0, Unload(module));
        Assert.Equal(0, Destroy(stream));
        Assert.Equal(0, Release());
        Assert.True(FakeCuda.IsIdle);
    }

    [Fact]
    public void NothingIsDoneBeforeItBegins()
    {
        Assert.Equal(3, Retain(out _));
        Assert.Equal(3, TryAllocate(16, out _));
        Assert.Equal(3, Load(Add, out _, out _));
        Assert.Equal(0, Init());
        Assert.Equal(0, Retain(out _));
        FakeCuda.Reset();
        FakeCuda.Devices = 0;
        Assert.Equal(100, Init());
    }

    [Fact]
    public void AContextIsAskedForOnEachThread()
    {
        Assert.Equal(0, Init());
        Assert.Equal(201, TryAllocate(16, out _));
        Assert.Equal(0, Retain(out nint context));
        Assert.Equal(201, TryAllocate(16, out _));
        Assert.Equal(201, Push(context + 1));
        Assert.Equal(0, Push(context));
        Assert.Equal(0, TryAllocate(16, out ulong pointer));
        int other = -1;
        var thread = new Thread(() => other = TryAllocate(16, out _));
        thread.Start();
        thread.Join();
        Assert.Equal(201, other);
        Assert.Equal(0, Free(pointer));
        Assert.Equal(0, Pop());
        Assert.Equal(201, Pop());
        Assert.Equal(201, TryAllocate(16, out _));
        Assert.Equal(0, Push(context));
        Assert.Equal(0, Release());
        Assert.Equal(201, TryAllocate(16, out _));
        Assert.Equal(201, Release());
    }

    [Fact]
    public void AContextOfBeforeAResetIsNoneAfterIt()
    {
        using var begun = new ManualResetEventSlim();
        using var reset = new ManualResetEventSlim();
        int result = -1;
        var thread = new Thread(() =>
        {
            Start();
            begun.Set();
            reset.Wait();
            result = TryAllocate(16, out _);
        });
        thread.Start();
        begun.Wait();
        FakeCuda.Reset();
        Start();
        reset.Set();
        thread.Join();
        Assert.Equal(201, result);
    }

    [Fact]
    public void MemoryEndsAndIsNotItsOwnTwice()
    {
        Start();
        Assert.Equal(1, TryAllocate(0, out _));
        Assert.Equal(2, TryAllocate(nuint.MaxValue, out _));
        FakeCuda.TotalMemory = 1000;
        ulong first = Allocate(600);
        Assert.Equal(2, TryAllocate(600, out _));
        Assert.Equal(0, Free(first));
        ulong second = Allocate(600);
        var read = new float[150];
        Assert.Equal(0, Read(read, second, 0));
        Assert.All(read, x => Assert.Equal(0xA5A5A5A5, BitConverter.SingleToUInt32Bits(x)));
        Assert.Equal(1, Read(new float[151], second, 0));
        Assert.Equal(1, Write(second + 4, new float[150], 0));
        Assert.Equal(400, Read(read, second, 77));
        Assert.Equal(1, Free(second + 4));
        Assert.Equal(0, Free(second));
        Assert.Equal(1, Free(second));
        Assert.Equal(0, Free(0));
    }

    [Fact]
    public void HandlesThatAreNoneAreRefused()
    {
        Start();
        Assert.Equal(400, Function(5, "add", out _));
        Assert.Equal(400, Unload(5));
        Assert.Equal(400, Destroy(5));
        Assert.Equal(400, Synchronize(5));
        Assert.Equal(400, Launch(5, 1, 1, 0));
        Assert.Equal(0, Load(Add, out nint module, out _));
        Assert.Equal(500, Function(module, "subtract", out _));
        Assert.Equal(0, Function(module, "add", out nint function));
        Assert.Equal(400, Launch(function, 1, 1, 5, 0, 0, 0));
        Assert.Equal(0, Unload(module));
        Assert.Equal(400, Launch(function, 1, 1, 0, 0, 0, 0));
    }

    [Fact]
    public void LaunchesThatNoCardBearsAreRefused()
    {
        Start();
        Assert.Equal(0, Load(Add, out nint module, out _));
        Assert.Equal(0, Function(module, "add", out nint function));
        Assert.Equal(64, FunctionAttribute(function, 0));
        Assert.Equal(0, FunctionAttribute(function, 1));
        Assert.Equal(1, Launch(function, 0, 64, 0, 0, 0, 0));
        Assert.Equal(1, Launch(function, 1, 65, 0, 0, 0, 0));
        Assert.Equal(0, Launch(function, 1, 64, 0, 0, 0, 0));
        Assert.Null(FakeCuda.Fault);
        Assert.True(FakeCuda.Steps > 64);
    }

    [Fact]
    public void BadTextIsRefusedWithALog()
    {
        Start();
        Assert.Equal(218, Load(Add.Replace("add.f32", "frob.f32", StringComparison.Ordinal), out _, out string log));
        Assert.Contains("line 31: the instruction is not known: frob.f32", log, StringComparison.Ordinal);
        Assert.Equal(218, Load(Add.Replace("sm_80", "sm_90", StringComparison.Ordinal), out _, out log));
        Assert.Contains(".target", log, StringComparison.Ordinal);
        Assert.Equal(222, Load(Add.Replace("7.2", "9.9", StringComparison.Ordinal), out _, out log));
        Assert.Contains("9.9", log, StringComparison.Ordinal);
        string large = Add.Replace(".reg .pred", ".shared .align 4 .b8 much[49156]; .reg .pred", StringComparison.Ordinal);
        Assert.Equal(218, Load(large, out _, out log));
        Assert.Contains("too much shared data", log, StringComparison.Ordinal);
        Assert.Equal(0, FakeCuda.Modules);
        Assert.Equal(0, Load(large.Replace("49156", "49152", StringComparison.Ordinal), out _, out log));
        Assert.Equal("", log);
    }

    [Fact]
    public void AFaultStaysUntilTheContextEnds()
    {
        Start();
        ulong memory = Allocate(16);
        Assert.Equal(0, Load(Add, out nint module, out _));
        Assert.Equal(0, Function(module, "add", out nint function));
        // Five numbers of four.
        Assert.Equal(0, Launch(function, 1, 64, 0, memory, memory, 5));
        Assert.Contains("kernel add, line 29, group 0, thread 4: Read of 4 bytes", FakeCuda.Fault, StringComparison.Ordinal);
        Assert.Equal(700, Synchronize(0));
        Assert.Equal(700, TryAllocate(16, out _));
        Assert.Equal(700, Free(memory));
        Assert.Equal(700, Launch(function, 1, 64, 0, memory, memory, 4));
        Assert.Equal(0, Release());
        Assert.True(FakeCuda.IsIdle);
        Assert.Equal(0, Retain(out _));
        Assert.Equal(0, TryAllocate(16, out _));
    }

    [Fact]
    public void ACardSaysWhatItIs()
    {
        Assert.Equal(0, Init());
        Assert.Equal((1024, 49152, 32, 8, 0), (Attribute(1), Attribute(8), Attribute(10), Attribute(75), Attribute(76)));
        FakeCuda.Capability = 75;
        Assert.Equal((7, 5), (Attribute(75), Attribute(76)));
        Assert.Equal("CUDA_ERROR_ILLEGAL_ADDRESS", ErrorText("cuGetErrorName", 700));
        Assert.Equal("out of memory", ErrorText("cuGetErrorString", 2));
        Assert.Null(ErrorText("cuGetErrorName", 12345));
        Assert.Equal(0, FakeCuda.Find("cuFly"));
    }

    [Fact]
    public void WhatATestAsksToFailFails()
    {
        Start();
        FakeCuda.Failures["cuMemAlloc_v2"] = 2;
        Assert.Equal(2, TryAllocate(16, out _));
        FakeCuda.Failures.Clear();
        Assert.Equal(0, TryAllocate(16, out _));
        FakeCuda.Missing.Add("cuInit");
        Assert.Equal(0, FakeCuda.Find("cuInit"));
    }
}
