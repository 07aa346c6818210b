using System.Text;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Tests that use the driver that exists in tests only: one at a time, since it is one for the process.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class FakeCudaCollection
{
    public const string Name = "FakeCuda";
}

/// <summary>The driver does what the real one does, also where it is misused.</summary>
[Collection(FakeCudaCollection.Name)]
public sealed unsafe class FakeCudaTests : IDisposable
{
    private const string Add = """
        .version 7.2
        .target sm_80
        .address_size 64

        .visible .entry add(
            .param .u64 add_param_0,
            .param .u64 add_param_1,
            .param .u64 add_param_2
        )
        .maxntid 64, 1, 1
        {
            .reg .pred %p<2>;
            .reg .b32 %r<6>;
            .reg .f32 %f<4>;
            .reg .b64 %rd<12>;
            ld.param.u64 %rd1, [add_param_0];
            ld.param.u64 %rd2, [add_param_1];
            ld.param.u64 %rd3, [add_param_2];
            cvta.to.global.u64 %rd4, %rd1;
            mov.u32 %r1, %ctaid.x;
            mov.u32 %r2, %tid.x;
            mad.lo.s32 %r3, %r1, 64, %r2;
            cvt.u32.u64 %r4, %rd3;
            setp.ge.s32 %p1, %r3, %r4;
            @%p1 bra DONE;
            mul.wide.s32 %rd5, %r3, 4;
            add.s64 %rd6, %rd4, %rd5;
            add.s64 %rd7, %rd2, %rd5;
            ld.global.f32 %f1, [%rd6];
            ld.global.f32 %f2, [%rd7];
            add.f32 %f3, %f1, %f2;
            st.global.f32 [%rd7], %f3;
        DONE:
            ret;
        }
        """;

    public FakeCudaTests() => FakeCuda.Reset();

    public void Dispose() => FakeCuda.Reset();

    [Fact]
    public void AKernelAddsVectors()
    {
        const int Count = 1000;
        Start();
        float[] a = [.. Enumerable.Range(0, Count).Select(i => i * 0.5f)], b = [.. Enumerable.Range(0, Count).Select(i => 7f - i)], sums = new float[Count];
        (ulong first, ulong second) = (Allocate(Count * 4), Allocate(Count * 4));
        nint stream = 0, module, function;
        Assert.Equal(0, ((delegate* unmanaged<nint*, uint, int>)FakeCuda.Find("cuStreamCreate"))(&stream, 1));
        Assert.Equal(0, Load(Add, out module, out _));
        Assert.Equal(0, Function(module, "add", out function));
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
        Assert.Equal(0, ((delegate* unmanaged<nint, int>)FakeCuda.Find("cuModuleUnload"))(module));
        Assert.Equal(0, ((delegate* unmanaged<nint, int>)FakeCuda.Find("cuStreamDestroy_v2"))(stream));
        Assert.Equal(0, ((delegate* unmanaged<int, int>)FakeCuda.Find("cuDevicePrimaryCtxRelease_v2"))(0));
        Assert.True(FakeCuda.IsIdle);
    }

    private static void Start()
    {
        Assert.Equal(0, ((delegate* unmanaged<uint, int>)FakeCuda.Find("cuInit"))(0));
        nint context;
        Assert.Equal(0, ((delegate* unmanaged<nint*, int, int>)FakeCuda.Find("cuDevicePrimaryCtxRetain"))(&context, 0));
        Assert.Equal(0, ((delegate* unmanaged<nint, int>)FakeCuda.Find("cuCtxPushCurrent_v2"))(context));
    }

    private static ulong Allocate(int bytes)
    {
        Assert.Equal(0, TryAllocate((nuint)bytes, out ulong pointer));
        return pointer;
    }

    private static int TryAllocate(nuint bytes, out ulong pointer)
    {
        fixed (ulong* p = &pointer)
            return ((delegate* unmanaged<ulong*, nuint, int>)FakeCuda.Find("cuMemAlloc_v2"))(p, bytes);
    }

    private static int Free(ulong pointer) => ((delegate* unmanaged<ulong, int>)FakeCuda.Find("cuMemFree_v2"))(pointer);

    private static int Synchronize(nint stream) => ((delegate* unmanaged<nint, int>)FakeCuda.Find("cuStreamSynchronize"))(stream);

    private static int Write(ulong to, ReadOnlySpan<float> from, nint stream)
    {
        fixed (float* p = from)
            return ((delegate* unmanaged<ulong, void*, nuint, nint, int>)FakeCuda.Find("cuMemcpyHtoDAsync_v2"))(to, p, (nuint)from.Length * 4, stream);
    }

    private static int Read(Span<float> to, ulong from, nint stream)
    {
        fixed (float* p = to)
            return ((delegate* unmanaged<void*, ulong, nuint, nint, int>)FakeCuda.Find("cuMemcpyDtoHAsync_v2"))(p, from, (nuint)to.Length * 4, stream);
    }

    private static int Load(string text, out nint module, out string log)
    {
        byte* buffer = stackalloc byte[256];
        int* options = stackalloc int[2] { 5, 6 };
        void** values = stackalloc void*[2] { buffer, (void*)256 };
        int result;
        fixed (byte* image = Encoding.UTF8.GetBytes(text + '\0'))
        fixed (nint* p = &module)
            result = ((delegate* unmanaged<nint*, void*, uint, int*, void**, int>)FakeCuda.Find("cuModuleLoadDataEx"))(p, image, 2, options, values);
        log = Encoding.UTF8.GetString(buffer, (int)(nint)values[1]);
        return result;
    }

    private static int Function(nint module, string name, out nint function)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
        fixed (nint* p = &function)
            return ((delegate* unmanaged<nint*, nint, byte*, int>)FakeCuda.Find("cuModuleGetFunction"))(p, module, text);
    }

    private static int Launch(nint function, uint groups, uint threads, nint stream, params ReadOnlySpan<ulong> parameters)
    {
        fixed (ulong* values = parameters)
        {
            void** pointers = stackalloc void*[parameters.Length + 1];
            for (int i = 0; i < parameters.Length; i++)
                pointers[i] = values + i;
            return ((delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)FakeCuda.Find("cuLaunchKernel"))(function, groups, 1, 1, threads, 1, 1, 0, stream, pointers, null);
        }
    }
}
