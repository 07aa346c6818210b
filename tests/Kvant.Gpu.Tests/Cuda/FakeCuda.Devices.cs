using System.Runtime.InteropServices;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>The card, its context and its streams.</summary>
internal static unsafe partial class FakeCuda
{
    private const string DeviceName = "Kvant Test Card";
    private static readonly HashSet<nint> OpenStreams = [];
    private static readonly Dictionary<string, nint> Texts = [];

    // Contexts of before a reset are none after it.
    private static nint Context => 0x7000_0000 + _generation * 0x10;

    private static bool IsDevice(int device) => device >= 0 && device < Devices;

    private static bool IsStream(nint stream) => stream == 0 || OpenStreams.Contains(stream);

    [UnmanagedCallersOnly]
    private static int Init(uint flags)
    {
        lock (Gate)
        {
            if (Failures.TryGetValue("cuInit", out int failure))
                return failure;
            if (flags != 0)
                return (int)CudaResult.InvalidValue;
            if (Devices == 0)
                return (int)CudaResult.NoDevice;
            _started = true;
            return 0;
        }
    }

    [UnmanagedCallersOnly]
    private static int DriverGetVersion(int* version)
    {
        // It may be asked before all else.
        if (Failures.TryGetValue("cuDriverGetVersion", out int failure))
            return failure;
        if (version == null)
            return (int)CudaResult.InvalidValue;
        *version = DriverVersion;
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int DeviceGetCount(int* count) => Call("cuDeviceGetCount", false, () => Set(count, Devices));

    [UnmanagedCallersOnly]
    private static int DeviceGet(int* device, int ordinal) => Call("cuDeviceGet", false, () => IsDevice(ordinal) ? Set(device, ordinal) : CudaResult.InvalidDevice);

    [UnmanagedCallersOnly]
    private static int DeviceGetName(byte* name, int length, int device) => Call("cuDeviceGetName", false, () =>
    {
        if (!IsDevice(device) || name == null || length <= 0)
            return IsDevice(device) ? CudaResult.InvalidValue : CudaResult.InvalidDevice;
        Copy(DeviceName, name, length);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    private static int DeviceTotalMem(nuint* bytes, int device) => Call("cuDeviceTotalMem_v2", false, () =>
    {
        if (!IsDevice(device) || bytes == null)
            return IsDevice(device) ? CudaResult.InvalidValue : CudaResult.InvalidDevice;
        *bytes = (nuint)TotalMemory;
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    private static int DeviceGetAttribute(int* value, int attribute, int device) => Call("cuDeviceGetAttribute", false, () => !IsDevice(device) ? CudaResult.InvalidDevice : attribute switch
    {
        1 => Set(value, 1024), // threads of a group
        2 or 3 => Set(value, 1024), // along x and y
        4 => Set(value, 64), // along z
        5 => Set(value, int.MaxValue), // groups along x
        6 or 7 => Set(value, 65535), // along y and z
        8 => Set(value, 49152), // shared memory of a group
        10 => Set(value, 32), // threads of a warp
        12 => Set(value, 65536), // registers of a group
        16 => Set(value, 8), // multiprocessors
        39 => Set(value, 2048), // threads of a multiprocessor
        75 => Set(value, Capability / 10),
        76 => Set(value, Capability % 10),
        97 => Set(value, MostShared), // shared memory that a kernel may ask for
        _ => CudaResult.InvalidValue,
    });

    [UnmanagedCallersOnly]
    private static int PrimaryRetain(nint* context, int device) => Call("cuDevicePrimaryCtxRetain", false, () =>
    {
        if (!IsDevice(device) || context == null)
            return IsDevice(device) ? CudaResult.InvalidValue : CudaResult.InvalidDevice;
        _retains++;
        *context = Context;
        return CudaResult.Success;
    });

    /// <summary>The last to release it destroys it, and all that is in it; it begins anew when it is asked for again.</summary>
    [UnmanagedCallersOnly]
    private static int PrimaryRelease(int device) => Call("cuDevicePrimaryCtxRelease_v2", false, () =>
    {
        if (!IsDevice(device) || _retains == 0)
            return IsDevice(device) ? CudaResult.InvalidContext : CudaResult.InvalidDevice;
        // What is left over stays counted, so that tests see it, but for what nobody could give back since all calls failed.
        if (--_retains == 0 && _poisoned)
        {
            Clear();
            _poisoned = false;
        }

        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    private static int PushCurrent(nint context) => Call("cuCtxPushCurrent_v2", false, () =>
    {
        if (context != Context || _retains == 0)
            return CudaResult.InvalidContext;
        (_contexts ??= new()).Push(context);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    private static int PopCurrent(nint* context) => Call("cuCtxPopCurrent_v2", false, () =>
    {
        if (_contexts is not { Count: > 0 })
            return CudaResult.InvalidContext;
        nint popped = _contexts.Pop();
        if (context != null)
            *context = popped;
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    private static int StreamCreate(nint* stream, uint flags) => Call("cuStreamCreate", true, () =>
    {
        if (stream == null || flags > 1)
            return CudaResult.InvalidValue;
        OpenStreams.Add(*stream = NewHandle());
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    private static int StreamDestroy(nint stream) => Call("cuStreamDestroy_v2", true, () => OpenStreams.Remove(stream) ? CudaResult.Success : CudaResult.InvalidHandle);

    [UnmanagedCallersOnly]
    private static int StreamSynchronize(nint stream) => Call("cuStreamSynchronize", true, () => IsStream(stream) ? CudaResult.Success : CudaResult.InvalidHandle);

    [UnmanagedCallersOnly]
    private static int GetErrorName(int error, byte** name) => Text(error, name, static x => x switch
    {
        CudaResult.Success => "CUDA_SUCCESS",
        CudaResult.InvalidValue => "CUDA_ERROR_INVALID_VALUE",
        CudaResult.OutOfMemory => "CUDA_ERROR_OUT_OF_MEMORY",
        CudaResult.NotInitialized => "CUDA_ERROR_NOT_INITIALIZED",
        CudaResult.NoDevice => "CUDA_ERROR_NO_DEVICE",
        CudaResult.InvalidDevice => "CUDA_ERROR_INVALID_DEVICE",
        CudaResult.InvalidContext => "CUDA_ERROR_INVALID_CONTEXT",
        CudaResult.InvalidPtx => "CUDA_ERROR_INVALID_PTX",
        CudaResult.UnsupportedPtxVersion => "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
        CudaResult.InvalidHandle => "CUDA_ERROR_INVALID_HANDLE",
        CudaResult.NotFound => "CUDA_ERROR_NOT_FOUND",
        CudaResult.IllegalAddress => "CUDA_ERROR_ILLEGAL_ADDRESS",
        CudaResult.LaunchOutOfResources => "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
        CudaResult.Unknown => "CUDA_ERROR_UNKNOWN",
        _ => null,
    });

    [UnmanagedCallersOnly]
    private static int GetErrorString(int error, byte** text) => Text(error, text, static x => x switch
    {
        CudaResult.Success => "no error",
        CudaResult.InvalidValue => "invalid argument",
        CudaResult.OutOfMemory => "out of memory",
        CudaResult.NotInitialized => "initialization error",
        CudaResult.NoDevice => "no CUDA-capable device is detected",
        CudaResult.InvalidDevice => "invalid device ordinal",
        CudaResult.InvalidContext => "invalid device context",
        CudaResult.InvalidPtx => "a PTX JIT compilation failed",
        CudaResult.UnsupportedPtxVersion => "the provided PTX was compiled with an unsupported toolchain.",
        CudaResult.InvalidHandle => "invalid resource handle",
        CudaResult.NotFound => "named symbol not found",
        CudaResult.IllegalAddress => "an illegal memory access was encountered",
        CudaResult.LaunchOutOfResources => "too many resources requested for launch",
        CudaResult.Unknown => "unknown error",
        _ => null,
    });

    private static int Text(int error, byte** to, Func<CudaResult, string?> find)
    {
        if (to == null)
            return (int)CudaResult.InvalidValue;
        *to = null;
        if (find((CudaResult)error) is not { } text)
            return (int)CudaResult.InvalidValue;
        lock (Gate)
        {
            // As the real one's, the text stays forever.
            if (!Texts.TryGetValue(text, out nint kept))
                Texts.Add(text, kept = Marshal.StringToCoTaskMemUTF8(text));
            *to = (byte*)kept;
        }

        return 0;
    }

    private static CudaResult Set(int* to, int value)
    {
        if (to == null)
            return CudaResult.InvalidValue;
        *to = value;
        return CudaResult.Success;
    }

    /// <summary>As much of a text as there is room for, and a zero.</summary>
    private static int Copy(string text, byte* to, int length)
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(text);
        int count = Math.Min(bytes.Length, length - 1);
        bytes.AsSpan(0, count).CopyTo(new(to, count));
        to[count] = 0;
        return count;
    }
}
