namespace Kvant.Gpu.Drivers;

/// <summary>The numbers of OpenCL that are used here, and what its errors are called.</summary>
internal static class OpenClNames
{
    public const uint PlatformName = 0x0902;
    public const uint DeviceName = 0x102B;
    public const uint DeviceVendor = 0x102C;
    public const uint DeviceKind = 0x1000;
    public const uint DeviceComputeUnits = 0x1002;
    public const uint DeviceMemory = 0x101F;
    public const uint DeviceLargestBuffer = 0x1010;
    public const uint DeviceLocalMemory = 0x1023;
    public const uint DeviceIsThere = 0x1027;
    public const uint DeviceLargestGroup = 0x1004;
    public const uint DeviceSingles = 0x101B;
    public const ulong SinglesKeepDenormals = 1 << 0;
    public const ulong SinglesDivideCorrectly = 1 << 7;
    public const uint DeviceIsLittleEndian = 0x1026;
    public const uint BuildLog = 0x1183;
    public const ulong EveryKind = 0xFFFFFFFF;
    public const ulong KindGpu = 1 << 2;
    public const ulong KindCpu = 1 << 1;
    public const int NoDevice = -1;
    public const int NoPlatform = -1001;
    public const int NoMemory = -4;
    public const int NoResources = -5;
    public const int NoHostMemory = -6;

    /// <summary>What an error is called.</summary>
    public static string Of(int error) => error switch
    {
        NoDevice => "no device was found",
        -2 => "the device is not available",
        -3 => "the compiler is not available",
        NoMemory => "the device has no such memory left",
        NoResources => "the device is out of resources, or was lost",
        NoHostMemory => "the machine is out of memory",
        -11 => "the program does not build",
        -30 => "a value is invalid",
        -34 => "the context is invalid",
        -36 => "the queue is invalid",
        -38 => "the buffer is invalid",
        -48 => "the kernel is invalid",
        -52 => "the kernel's arguments are invalid",
        -54 => "the size of a work-group is invalid",
        -61 => "the size of a buffer is invalid",
        NoPlatform => "there is no driver",
        _ => "see CL/cl.h",
    };
}
