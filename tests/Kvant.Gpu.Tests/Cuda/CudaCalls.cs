using System.Text;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Calls the functions of the driver as a program does, by their addresses.</summary>
internal static unsafe class CudaCalls
{
    /// <summary>A kernel that adds numbers of its first argument to those of its second, as many as its third says.</summary>
    public const string Add = """
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

    /// <summary>A driver that has begun, and a context that is current.</summary>
    public static void Start()
    {
        Assert.Equal(0, Init());
        Assert.Equal(0, Retain(out nint context));
        Assert.Equal(0, Push(context));
    }

    public static ulong Allocate(int bytes)
    {
        Assert.Equal(0, TryAllocate((nuint)bytes, out ulong pointer));
        return pointer;
    }

    public static int TryAllocate(nuint bytes, out ulong pointer)
    {
        fixed (ulong* p = &pointer)
            return ((delegate* unmanaged<ulong*, nuint, int>)FakeCuda.Find("cuMemAlloc_v2"))(p, bytes);
    }

    public static int Free(ulong pointer) => ((delegate* unmanaged<ulong, int>)FakeCuda.Find("cuMemFree_v2"))(pointer);

    public static int Synchronize(nint stream) => ((delegate* unmanaged<nint, int>)FakeCuda.Find("cuStreamSynchronize"))(stream);

    public static int Write(ulong to, ReadOnlySpan<float> from, nint stream)
    {
        fixed (float* p = from)
            return ((delegate* unmanaged<ulong, void*, nuint, nint, int>)FakeCuda.Find("cuMemcpyHtoDAsync_v2"))(to, p, (nuint)from.Length * 4, stream);
    }

    public static int Read(Span<float> to, ulong from, nint stream)
    {
        fixed (float* p = to)
            return ((delegate* unmanaged<void*, ulong, nuint, nint, int>)FakeCuda.Find("cuMemcpyDtoHAsync_v2"))(p, from, (nuint)to.Length * 4, stream);
    }

    public static int Load(string text, out nint module, out string log)
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

    public static int Function(nint module, string name, out nint function)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
        fixed (nint* p = &function)
            return ((delegate* unmanaged<nint*, nint, byte*, int>)FakeCuda.Find("cuModuleGetFunction"))(p, module, text);
    }

    public static int Launch(nint function, uint groups, uint threads, nint stream, params ReadOnlySpan<ulong> parameters)
    {
        fixed (ulong* values = parameters)
        {
            void** pointers = stackalloc void*[parameters.Length + 1];
            for (int i = 0; i < parameters.Length; i++)
                pointers[i] = values + i;
            return ((delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)FakeCuda.Find("cuLaunchKernel"))(function, groups, 1, 1, threads, 1, 1, 0, stream, pointers, null);
        }
    }

    public static int Init() => ((delegate* unmanaged<uint, int>)FakeCuda.Find("cuInit"))(0);

    public static int Retain(out nint context)
    {
        fixed (nint* p = &context)
            return ((delegate* unmanaged<nint*, int, int>)FakeCuda.Find("cuDevicePrimaryCtxRetain"))(p, 0);
    }

    public static int Release() => ((delegate* unmanaged<int, int>)FakeCuda.Find("cuDevicePrimaryCtxRelease_v2"))(0);

    public static int Push(nint context) => ((delegate* unmanaged<nint, int>)FakeCuda.Find("cuCtxPushCurrent_v2"))(context);

    public static int Pop() => ((delegate* unmanaged<nint*, int>)FakeCuda.Find("cuCtxPopCurrent_v2"))(null);

    public static int Attribute(int attribute)
    {
        int value;
        Assert.Equal(0, ((delegate* unmanaged<int*, int, int, int>)FakeCuda.Find("cuDeviceGetAttribute"))(&value, attribute, 0));
        return value;
    }

    public static int CreateStream(out nint stream)
    {
        fixed (nint* p = &stream)
            return ((delegate* unmanaged<nint*, uint, int>)FakeCuda.Find("cuStreamCreate"))(p, 1);
    }

    public static int Destroy(nint stream) => ((delegate* unmanaged<nint, int>)FakeCuda.Find("cuStreamDestroy_v2"))(stream);

    public static int Unload(nint module) => ((delegate* unmanaged<nint, int>)FakeCuda.Find("cuModuleUnload"))(module);

    public static int FunctionAttribute(nint function, int attribute)
    {
        int value;
        Assert.Equal(0, ((delegate* unmanaged<int*, int, nint, int>)FakeCuda.Find("cuFuncGetAttribute"))(&value, attribute, function));
        return value;
    }

    public static string? ErrorText(string function, int error)
    {
        byte* text;
        int result = ((delegate* unmanaged<int, byte**, int>)FakeCuda.Find(function))(error, &text);
        Assert.Equal(text == null ? 1 : 0, result);
        return System.Runtime.InteropServices.Marshal.PtrToStringUTF8((nint)text);
    }
}
