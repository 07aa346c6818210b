namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Results of the driver API, by their numbers.</summary>
internal enum CudaResult
{
    Success = 0, InvalidValue = 1, OutOfMemory = 2, NotInitialized = 3, NoDevice = 100, InvalidDevice = 101, InvalidContext = 201,
    InvalidPtx = 218, UnsupportedPtxVersion = 222, InvalidHandle = 400, NotFound = 500, IllegalAddress = 700, LaunchOutOfResources = 701, Unknown = 999,
}
