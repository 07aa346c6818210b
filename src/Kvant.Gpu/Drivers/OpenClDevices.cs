using System.Text;

namespace Kvant.Gpu.Drivers;

/// <summary>What devices OpenCL has on this machine.</summary>
internal static unsafe class OpenClDevices
{
    // Two threads that ask first at the same time find a driver half set up, with no device in it.
    private static readonly Lock s_lock = new();

    /// <summary>All of them, in the order of the drivers; none where there is no library or no driver.</summary>
    public static List<Found> All()
    {
        lock (s_lock) return Find();
    }

    /// <summary>Why there are none.</summary>
    public static string WhyNone => OpenCl.IsThere
        ? "OpenCL is there, but no driver of it has a device: install that of your card (or pocl, which computes on the processor: Debian's pocl-opencl-icd)."
        : $"There is no OpenCL on this machine: {OpenCl.Names} cannot be loaded. Install the driver of your card (and Debian's ocl-icd-libopencl1, or pocl-opencl-icd, which computes on the processor).";

    private static List<Found> Find()
    {
        List<Found> all = [];
        if (!OpenCl.IsThere)
            return all;
        foreach (nint platform in Ids((count, to, found) => OpenCl.GetPlatformIDs(count, (nint*)to, (uint*)found)))
        {
            foreach (nint device in Ids((count, to, found) => OpenCl.GetDeviceIDs(platform, OpenClNames.EveryKind, count, (nint*)to, (uint*)found)))
            {
                if (Number<uint>(device, OpenClNames.DeviceIsThere) == 0 || Number<uint>(device, OpenClNames.DeviceIsLittleEndian) == 0)
                    continue;
                GpuDeviceInfo info = Describe(platform, device);
                all.Add(new(info, () => new OpenClContext(device, info.LargestBufferBytes)));
            }
        }

        return all;
    }

    private static GpuDeviceInfo Describe(nint platform, nint device)
    {
        const ulong exact = OpenClNames.SinglesKeepDenormals | OpenClNames.SinglesDivideCorrectly;
        ulong kind = Number<ulong>(device, OpenClNames.DeviceKind);
        return new()
        {
            Number = 0,
            Name = Text(device, OpenClNames.DeviceName),
            Driver = PlatformName(platform),
            Kind = (kind & OpenClNames.KindGpu) != 0 ? GpuDeviceKind.Gpu : (kind & OpenClNames.KindCpu) != 0 ? GpuDeviceKind.Cpu : GpuDeviceKind.Other,
            ComputeUnits = (int)Number<uint>(device, OpenClNames.DeviceComputeUnits),
            MemoryBytes = (long)Number<ulong>(device, OpenClNames.DeviceMemory),
            LargestBufferBytes = (long)Number<ulong>(device, OpenClNames.DeviceLargestBuffer),
            LocalMemoryBytes = (long)Number<ulong>(device, OpenClNames.DeviceLocalMemory),
            IsExact = (Number<ulong>(device, OpenClNames.DeviceSingles) & exact) == exact,
            LargestGroup = (long)Number<nuint>(device, OpenClNames.DeviceLargestGroup),
        };
    }

    private static nint[] Ids(Func<uint, nint, nint, int> get)
    {
        uint found;
        int error = get(0, 0, (nint)(&found));
        if (error is OpenClNames.NoDevice or OpenClNames.NoPlatform || (error == 0 && found == 0))
            return [];
        OpenClContext.Require(error, "Asking OpenCl for its devices");
        nint[] ids = new nint[found];
        fixed (nint* to = ids)
            OpenClContext.Require(get(found, (nint)to, 0), "Asking OpenCl for its devices");
        return ids;
    }

    private static T Number<T>(nint device, uint what)
        where T : unmanaged
    {
        T value = default;
        OpenClContext.Require(OpenCl.GetDeviceInfo(device, what, (nuint)sizeof(T), &value, null), "clGetDeviceInfo");
        return value;
    }

    private static string Text(nint device, uint what)
    {
        nuint length;
        OpenClContext.Require(OpenCl.GetDeviceInfo(device, what, 0, null, &length), "clGetDeviceInfo");
        byte[] text = new byte[(int)Math.Min(length, 4096)];
        fixed (byte* to = text)
            OpenClContext.Require(OpenCl.GetDeviceInfo(device, what, (nuint)text.Length, to, null), "clGetDeviceInfo");
        return Encoding.UTF8.GetString(text).TrimEnd('\0').Trim();
    }

    private static string PlatformName(nint platform)
    {
        byte[] text = new byte[256];
        fixed (byte* to = text)
        {
            if (OpenCl.GetPlatformInfo(platform, OpenClNames.PlatformName, (nuint)text.Length, to, null) != 0)
                return "OpenCL";
        }

        return Encoding.UTF8.GetString(text).TrimEnd('\0').Trim();
    }
}
