using System.Text;

namespace Kvant.Gpu.Drivers;

/// <summary>What cards CUDA's driver has on this machine.</summary>
internal static unsafe class CudaDevices
{
    // CU_DEVICE_ATTRIBUTE_...
    private const int LargestGroup = 1, SharedBytes = 8, Multiprocessors = 16, Major = 75;

    // What the kernels are compiled for (eng/PtxKernels): 8.0 and all later.
    private const int OldestMajor = 8;

    /// <summary>All of them that run the kernels, in the order of the driver; none where there is no driver.</summary>
    /// <param name="cuda">The driver; null where there is none.</param>
    public static List<Found> All(CudaApi? cuda)
    {
        List<Found> all = [];
        int version = 0, count = 0;
        // A driver without a card, or one that does not fit its kernel module, says so with an error: there is nothing to compute on.
        if (cuda is null || cuda.Init(0) != 0 || cuda.DriverGetVersion(&version) != 0 || cuda.DeviceGetCount(&count) != 0)
            return all;
        for (int i = 0; i < count; i++)
        {
            int device;
            cuda.Require(cuda.DeviceGet(&device, i), "cuDeviceGet");
            if (Number(cuda, device, Major) < OldestMajor)
                continue;
            int card = device;
            GpuDeviceInfo info = Describe(cuda, card, version);
            all.Add(new(info, () => new CudaContext(cuda, card, info.LargestBufferBytes)));
        }

        return all;
    }

    private static GpuDeviceInfo Describe(CudaApi cuda, int device, int version)
    {
        byte[] name = new byte[256];
        nuint memory;
        fixed (byte* to = name)
            cuda.Require(cuda.DeviceGetName(to, name.Length, device), "cuDeviceGetName");
        cuda.Require(cuda.DeviceTotalMem(&memory, device), "cuDeviceTotalMem");
        return new()
        {
            Number = 0,
            Name = Encoding.UTF8.GetString(name).TrimEnd('\0'),
            Driver = $"CUDA {version / 1000}.{version % 1000 / 10}",
            Kind = GpuDeviceKind.Gpu,
            ComputeUnits = Number(cuda, device, Multiprocessors),
            MemoryBytes = (long)memory,
            LargestBufferBytes = (long)memory,
            LocalMemoryBytes = Number(cuda, device, SharedBytes),
            IsExact = true, // by the PTX: every division and root is rounded correctly, and small numbers are kept
            LargestGroup = Number(cuda, device, LargestGroup),
        };
    }

    private static int Number(CudaApi cuda, int device, int attribute)
    {
        int value;
        cuda.Require(cuda.DeviceGetAttribute(&value, attribute, device), "cuDeviceGetAttribute");
        return value;
    }
}
