using System.Runtime.InteropServices;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Modules, their kernels, and launches.</summary>
internal static unsafe partial class FakeCuda
{
    // What is declared may need so much, and so much with what a launch adds.
    private const int MostDeclared = 48 << 10, MostShared = 99 << 10;
    private const int ErrorLog = 5, ErrorLogBytes = 6;
    private static readonly Dictionary<nint, PtxModule> LoadedModules = [];
    private static readonly Dictionary<nint, (nint Module, PtxKernel Kernel)> Functions = [];

    [UnmanagedCallersOnly]
    private static int ModuleLoad(nint* module, void* image, uint count, int* options, void** values) => Call("cuModuleLoadDataEx", true, () =>
    {
        if (module == null || image == null || count > 0 && (options == null || values == null))
            return CudaResult.InvalidValue;
        byte* log = null;
        int length = 0, at = -1;
        for (int i = 0; i < count; i++)
        {
            // A number is given as if it were a pointer.
            if (options[i] == ErrorLog)
                log = (byte*)values[i];
            else if (options[i] == ErrorLogBytes)
                (length, at) = ((int)(nint)values[i], i);
            else if (options[i] is < 0 or > 30)
                return CudaResult.InvalidValue;
        }

        (CudaResult result, string message) = Load(Marshal.PtrToStringUTF8((nint)image)!, module);
        int written = log != null && length > 0 ? Copy(message, log, length) : 0;
        // The size says afterwards how much was written.
        if (at >= 0)
            values[at] = (void*)(nint)written;
        return result;
    });

    private static (CudaResult Result, string Message) Load(string text, nint* module)
    {
        try
        {
            PtxModule parsed = PtxModule.Parse(text);
            // Drivers of 11.0 know 7.0, those of 12.0 know 8.0.
            int newest = DriverVersion / 1000 * 10 - 40 + DriverVersion % 1000 / 10;
            if (parsed.Version > newest)
                return (CudaResult.UnsupportedPtxVersion, $"ptxas fatal   : Unsupported .version {parsed.Version / 10}.{parsed.Version % 10}; current version is '{newest / 10}.{newest % 10}'");
            if (parsed.Target > Capability)
                return (CudaResult.InvalidPtx, $"ptxas fatal   : SM version specified by .target is higher than default SM version assumed: sm_{Capability}");
            if (parsed.Kernels.Values.FirstOrDefault(x => x.Shared.Bytes > MostDeclared) is { } large)
                return (CudaResult.InvalidPtx, $"ptxas error   : Entry function '{large.Name}' uses too much shared data (0x{large.Shared.Bytes:x} bytes, 0x{MostDeclared:x} max)");
            LoadedModules.Add(*module = NewHandle(), parsed);
            return (CudaResult.Success, "");
        }
        catch (NotSupportedException e)
        {
            return (CudaResult.InvalidPtx, $"ptxas error   : {e.Message}");
        }
    }

    [UnmanagedCallersOnly]
    private static int ModuleUnload(nint module) => Call("cuModuleUnload", true, () =>
    {
        if (!LoadedModules.Remove(module))
            return CudaResult.InvalidHandle;
        foreach (nint function in Functions.Where(x => x.Value.Module == module).Select(x => x.Key).ToArray())
            Functions.Remove(function);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    private static int ModuleGetFunction(nint* function, nint module, byte* name) => Call("cuModuleGetFunction", true, () =>
    {
        if (function == null || name == null)
            return CudaResult.InvalidValue;
        if (!LoadedModules.TryGetValue(module, out PtxModule? loaded))
            return CudaResult.InvalidHandle;
        if (!loaded.Kernels.TryGetValue(Marshal.PtrToStringUTF8((nint)name)!, out PtxKernel? kernel))
            return CudaResult.NotFound;
        Functions.Add(*function = NewHandle(), (module, kernel));
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    private static int FuncGetAttribute(int* value, int attribute, nint function) => Call("cuFuncGetAttribute", true, () => !Functions.TryGetValue(function, out (nint, PtxKernel Kernel) found) ? CudaResult.InvalidHandle : attribute switch
    {
        0 => Set(value, found.Kernel.MaxThreads), // threads of a group
        1 => Set(value, found.Kernel.Shared.Bytes), // shared memory that it declares
        2 => Set(value, 0), // constants
        3 => Set(value, found.Kernel.Local.Bytes), // a thread's own memory
        4 => Set(value, 64), // registers
        5 or 6 => Set(value, Capability), // the language and the card
        _ => CudaResult.InvalidValue,
    });

    [UnmanagedCallersOnly]
    private static int LaunchKernel(nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint shared, nint stream, void** parameters, void** extra)
    {
        PtxKernel? kernel = null;
        PtxAllocations? seen = null;
        ulong[] values = [];
        int begun = Call("cuLaunchKernel", true, () =>
        {
            if (!Functions.TryGetValue(function, out (nint, PtxKernel Kernel) found) || !IsStream(stream))
                return CudaResult.InvalidHandle;
            if (gridX is 0 or > int.MaxValue || blockX == 0 || (gridY, gridZ, blockY, blockZ) != (1, 1, 1, 1) || blockX > found.Kernel.MaxThreads || found.Kernel.RequiredThreads is > 0 and var required && required != blockX)
                return CudaResult.InvalidValue;
            if (found.Kernel.Shared.Bytes + (long)shared > MostDeclared || extra != null || parameters == null && found.Kernel.ParameterBytes.Count > 0)
                return CudaResult.InvalidValue;
            (kernel, seen, values) = (found.Kernel, Seen(), new ulong[found.Kernel.ParameterBytes.Count]);
            for (int i = 0; i < values.Length; i++)
            {
                if (parameters[i] == null)
                    return CudaResult.InvalidValue;
                new ReadOnlySpan<byte>(parameters[i], found.Kernel.ParameterBytes[i]).CopyTo(MemoryMarshal.AsBytes(values.AsSpan(i, 1)));
            }

            _running++;
            return CudaResult.Success;
        });
        if (begun != 0)
            return begun;
        var machine = new PtxMachine { AllowSameValue = AllowSameValue };
        try
        {
            machine.Run(kernel!, (int)gridX, (int)blockX, values, seen!, (int)shared);
        }
        catch (Exception e)
        {
            // A launch has begun when this returns: that it went wrong is told by the calls after it.
            lock (Gate)
            {
                Fault ??= e is PtxFault ? e.Message : e.ToString();
                _poisoned = true;
            }
        }

        lock (Gate)
        {
            Steps += machine.Steps;
            _running--;
        }

        return 0;
    }
}
