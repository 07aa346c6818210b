namespace Kvant.Gpu.Tests.Cuda;

/// <summary>
/// A driver of CUDA that exists in tests only: the functions of the driver API as C functions, found by their names, over one card whose kernels run as PTX on the processor.
/// It refuses what the real one refuses, and keeps what it was given for tests to see. Launches run at once; what they do wrong is told by the calls after them, as on a card.
/// </summary>
internal static unsafe partial class FakeCuda
{
    private static readonly Lock Gate = new();
    [ThreadStatic]
    private static Stack<nint>? _contexts;
    private static bool _started, _poisoned;
    private static int _retains, _generation;
    private static nint _nextHandle = 0x1000;

    /// <summary>Whether the card has memory, modules or streams of somebody, or is held: nothing is once all is given back.</summary>
    public static bool IsIdle => Allocations == 0 && Modules == 0 && Streams == 0 && Retains == 0;

    /// <summary>Allocations that are not freed.</summary>
    public static int Allocations { get { lock (Gate) return Memory.Count; } }

    /// <summary>Modules that are loaded.</summary>
    public static int Modules { get { lock (Gate) return LoadedModules.Count; } }

    /// <summary>Streams that are not destroyed.</summary>
    public static int Streams { get { lock (Gate) return OpenStreams.Count; } }

    /// <summary>How often the primary context is held.</summary>
    public static int Retains { get { lock (Gate) return _retains; } }

    /// <summary>What went wrong in a kernel: the message of the machine, until <see cref="Reset"/>; null where nothing did. All calls fail from then on until the context is released.</summary>
    public static string? Fault { get; private set; }

    /// <summary>Cards that there are.</summary>
    public static int Devices { get; set; }

    /// <summary>What the card is: 80 is of compute capability 8.0.</summary>
    public static int Capability { get; set; }

    public static int DriverVersion { get; set; }

    public static long TotalMemory { get; set; }

    /// <summary>Results of functions that fail whatever they are asked, by their names.</summary>
    public static Dictionary<string, int> Failures { get; } = [];

    /// <summary>Functions that the driver does not have.</summary>
    public static HashSet<string> Missing { get; } = [];

    /// <summary>Whether threads may write the same value to a byte of shared memory with no barrier between.</summary>
    public static bool AllowSameValue { get; set; }

    /// <summary>Instructions that kernels ran.</summary>
    public static long Steps { get; private set; }

    static FakeCuda() => Reset();

    /// <summary>A driver that nothing was asked of: all that is left over is gone. Contexts of other threads are no longer current there.</summary>
    public static void Reset()
    {
        lock (Gate)
        {
            Clear();
            Failures.Clear();
            Missing.Clear();
            _contexts = null;
            (_started, _poisoned, _retains, Fault, AllowSameValue, Steps) = (false, false, 0, null, false, 0);
            (Devices, Capability, DriverVersion, TotalMemory) = (1, 80, 12040, 1L << 30);
            _generation++;
        }
    }

    /// <summary>The address of a function of the driver; zero where it has none of that name.</summary>
    public static nint Find(string name) => Missing.Contains(name) ? 0 : name switch
    {
        "cuInit" => (nint)(delegate* unmanaged<uint, int>)&Init,
        "cuDriverGetVersion" => (nint)(delegate* unmanaged<int*, int>)&DriverGetVersion,
        "cuDeviceGetCount" => (nint)(delegate* unmanaged<int*, int>)&DeviceGetCount,
        "cuDeviceGet" => (nint)(delegate* unmanaged<int*, int, int>)&DeviceGet,
        "cuDeviceGetName" => (nint)(delegate* unmanaged<byte*, int, int, int>)&DeviceGetName,
        "cuDeviceTotalMem_v2" => (nint)(delegate* unmanaged<nuint*, int, int>)&DeviceTotalMem,
        "cuDeviceGetAttribute" => (nint)(delegate* unmanaged<int*, int, int, int>)&DeviceGetAttribute,
        "cuDevicePrimaryCtxRetain" => (nint)(delegate* unmanaged<nint*, int, int>)&PrimaryRetain,
        "cuDevicePrimaryCtxRelease_v2" => (nint)(delegate* unmanaged<int, int>)&PrimaryRelease,
        "cuCtxPushCurrent_v2" => (nint)(delegate* unmanaged<nint, int>)&PushCurrent,
        "cuCtxPopCurrent_v2" => (nint)(delegate* unmanaged<nint*, int>)&PopCurrent,
        "cuStreamCreate" => (nint)(delegate* unmanaged<nint*, uint, int>)&StreamCreate,
        "cuStreamDestroy_v2" => (nint)(delegate* unmanaged<nint, int>)&StreamDestroy,
        "cuStreamSynchronize" => (nint)(delegate* unmanaged<nint, int>)&StreamSynchronize,
        "cuMemAlloc_v2" => (nint)(delegate* unmanaged<ulong*, nuint, int>)&MemAlloc,
        "cuMemFree_v2" => (nint)(delegate* unmanaged<ulong, int>)&MemFree,
        "cuMemcpyHtoDAsync_v2" => (nint)(delegate* unmanaged<ulong, void*, nuint, nint, int>)&MemcpyToDevice,
        "cuMemcpyDtoHAsync_v2" => (nint)(delegate* unmanaged<void*, ulong, nuint, nint, int>)&MemcpyToHost,
        "cuModuleLoadDataEx" => (nint)(delegate* unmanaged<nint*, void*, uint, int*, void**, int>)&ModuleLoad,
        "cuModuleUnload" => (nint)(delegate* unmanaged<nint, int>)&ModuleUnload,
        "cuModuleGetFunction" => (nint)(delegate* unmanaged<nint*, nint, byte*, int>)&ModuleGetFunction,
        "cuFuncGetAttribute" => (nint)(delegate* unmanaged<int*, int, nint, int>)&FuncGetAttribute,
        "cuLaunchKernel" => (nint)(delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)&LaunchKernel,
        "cuGetErrorName" => (nint)(delegate* unmanaged<int, byte**, int>)&GetErrorName,
        "cuGetErrorString" => (nint)(delegate* unmanaged<int, byte**, int>)&GetErrorString,
        _ => 0,
    };

    /// <summary>What a call may do before it is asked for itself: what fails all calls fails this one.</summary>
    private static CudaResult Begin(string name, bool context)
    {
        if (Failures.TryGetValue(name, out int failure))
            return (CudaResult)failure;
        if (!_started)
            return CudaResult.NotInitialized;
        if (!context)
            return CudaResult.Success;
        if (_contexts is not { Count: > 0 } || _contexts.Peek() != Context || _retains == 0)
            return CudaResult.InvalidContext;
        return _poisoned ? CudaResult.IllegalAddress : CudaResult.Success;
    }

    /// <summary>Runs a call alone.</summary>
    private static int Call(string name, bool context, Func<CudaResult> call)
    {
        try
        {
            lock (Gate)
            {
                CudaResult begun = Begin(name, context);
                return (int)(begun == CudaResult.Success ? call() : begun);
            }
        }
        catch (Exception e)
        {
            // No exception may pass through C: tests see what it was.
            Fault = e.ToString();
            return (int)CudaResult.Unknown;
        }
    }

    /// <summary>Gives back all that a context has.</summary>
    private static void Clear()
    {
        foreach ((nint start, _) in Memory.Values)
            Release(start);
        Memory.Clear();
        LoadedModules.Clear();
        Functions.Clear();
        OpenStreams.Clear();
    }

    private static nint NewHandle() => _nextHandle += 0x10;
}
