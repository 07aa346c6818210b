using System.Runtime.InteropServices;

namespace Kvant.Gpu.Drivers;

/// <summary>The functions of CUDA's driver that are called here, by their own names less <c>cu</c>. They come with the driver of a card of NVIDIA; no toolkit is needed.</summary>
internal sealed unsafe class CudaApi
{
    private static readonly string[] s_names = OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1"];

    private static readonly Lazy<CudaApi?> s_installed = new(Load);

    /// <summary>The functions of a driver.</summary>
    /// <param name="find">Where one is, by its name in C; 0 where it is not.</param>
    /// <exception cref="EntryPointNotFoundException">One is missing: a driver older than CUDA 11.</exception>
    public CudaApi(Func<string, nint> find)
    {
        Init = (delegate* unmanaged<uint, int>)Find("cuInit");
        DriverGetVersion = (delegate* unmanaged<int*, int>)Find("cuDriverGetVersion");
        DeviceGetCount = (delegate* unmanaged<int*, int>)Find("cuDeviceGetCount");
        DeviceGet = (delegate* unmanaged<int*, int, int>)Find("cuDeviceGet");
        DeviceGetName = (delegate* unmanaged<byte*, int, int, int>)Find("cuDeviceGetName");
        DeviceTotalMem = (delegate* unmanaged<nuint*, int, int>)Find("cuDeviceTotalMem_v2");
        DeviceGetAttribute = (delegate* unmanaged<int*, int, int, int>)Find("cuDeviceGetAttribute");
        PrimaryRetain = (delegate* unmanaged<nint*, int, int>)Find("cuDevicePrimaryCtxRetain");
        PrimaryRelease = (delegate* unmanaged<int, int>)Find("cuDevicePrimaryCtxRelease_v2");
        PushCurrent = (delegate* unmanaged<nint, int>)Find("cuCtxPushCurrent_v2");
        PopCurrent = (delegate* unmanaged<nint*, int>)Find("cuCtxPopCurrent_v2");
        StreamCreate = (delegate* unmanaged<nint*, uint, int>)Find("cuStreamCreate");
        StreamDestroy = (delegate* unmanaged<nint, int>)Find("cuStreamDestroy_v2");
        StreamSynchronize = (delegate* unmanaged<nint, int>)Find("cuStreamSynchronize");
        MemAlloc = (delegate* unmanaged<ulong*, nuint, int>)Find("cuMemAlloc_v2");
        MemFree = (delegate* unmanaged<ulong, int>)Find("cuMemFree_v2");
        CopyToDevice = (delegate* unmanaged<ulong, void*, nuint, nint, int>)Find("cuMemcpyHtoDAsync_v2");
        CopyFromDevice = (delegate* unmanaged<void*, ulong, nuint, nint, int>)Find("cuMemcpyDtoHAsync_v2");
        ModuleLoad = (delegate* unmanaged<nint*, void*, uint, int*, void**, int>)Find("cuModuleLoadDataEx");
        ModuleUnload = (delegate* unmanaged<nint, int>)Find("cuModuleUnload");
        ModuleGetFunction = (delegate* unmanaged<nint*, nint, byte*, int>)Find("cuModuleGetFunction");
        LaunchKernel = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)Find("cuLaunchKernel");
        GetErrorName = (delegate* unmanaged<int, byte**, int>)Find("cuGetErrorName");

        nint Find(string name) => find(name) is var found and not 0 ? found : throw new EntryPointNotFoundException(name);
    }

    /// <summary>The driver of this machine; null where there is none, or one too old.</summary>
    public static CudaApi? Installed => s_installed.Value;

    public delegate* unmanaged<uint, int> Init { get; }

    public delegate* unmanaged<int*, int> DriverGetVersion { get; }

    public delegate* unmanaged<int*, int> DeviceGetCount { get; }

    public delegate* unmanaged<int*, int, int> DeviceGet { get; }

    public delegate* unmanaged<byte*, int, int, int> DeviceGetName { get; }

    public delegate* unmanaged<nuint*, int, int> DeviceTotalMem { get; }

    public delegate* unmanaged<int*, int, int, int> DeviceGetAttribute { get; }

    public delegate* unmanaged<nint*, int, int> PrimaryRetain { get; }

    public delegate* unmanaged<int, int> PrimaryRelease { get; }

    public delegate* unmanaged<nint, int> PushCurrent { get; }

    public delegate* unmanaged<nint*, int> PopCurrent { get; }

    public delegate* unmanaged<nint*, uint, int> StreamCreate { get; }

    public delegate* unmanaged<nint, int> StreamDestroy { get; }

    public delegate* unmanaged<nint, int> StreamSynchronize { get; }

    public delegate* unmanaged<ulong*, nuint, int> MemAlloc { get; }

    public delegate* unmanaged<ulong, int> MemFree { get; }

    public delegate* unmanaged<ulong, void*, nuint, nint, int> CopyToDevice { get; }

    public delegate* unmanaged<void*, ulong, nuint, nint, int> CopyFromDevice { get; }

    public delegate* unmanaged<nint*, void*, uint, int*, void**, int> ModuleLoad { get; }

    public delegate* unmanaged<nint, int> ModuleUnload { get; }

    public delegate* unmanaged<nint*, nint, byte*, int> ModuleGetFunction { get; }

    public delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int> LaunchKernel { get; }

    public delegate* unmanaged<int, byte**, int> GetErrorName { get; }

    /// <summary>Says what went wrong.</summary>
    /// <exception cref="GpuException">Something did.</exception>
    public void Require(int error, string call)
    {
        if (error == 0)
            return;
        byte* name = null;
        string? known = GetErrorName(error, &name) == 0 ? Marshal.PtrToStringUTF8((nint)name) : null;
        throw new GpuException($"{call} failed: {known ?? "unknown error"} ({error}).");
    }

    private static CudaApi? Load()
    {
        foreach (string name in s_names)
        {
            if (!NativeLibrary.TryLoad(name, out nint library))
                continue;
            try
            {
                return new(function => NativeLibrary.TryGetExport(library, function, out nint at) ? at : 0);
            }
            catch (EntryPointNotFoundException)
            {
                NativeLibrary.Free(library);
            }
        }

        return null;
    }
}
