using System.Text;
using Kvant.Gpu.Kernels;

namespace Kvant.Gpu.Drivers;

/// <summary>A card of NVIDIA, opened by CUDA's driver: one stream of the context that all of a process share. Kernels are those that come with the package (<see cref="ReadyKernels"/>).</summary>
internal sealed unsafe class CudaContext : DeviceContext
{
    private const int ErrorLog = 5, ErrorLogBytes = 6; // CU_JIT_ERROR_LOG_BUFFER and its length
    private const uint NonBlocking = 1; // does not wait for others' work in the default stream

    private readonly Lock _lock = new();
    private readonly CudaApi _cuda;
    private readonly int _device;
    private readonly Dictionary<(KernelSource, string), nint> _modules = [];
    private readonly Dictionary<(KernelSource, string, string), nint> _kernels = [];
    private nint _context;
    private nint _stream;

    /// <summary>Opens a card.</summary>
    /// <param name="cuda">The driver.</param>
    /// <param name="device">The card, as the driver knows it.</param>
    /// <param name="largestBuffer">The largest piece of memory.</param>
    public CudaContext(CudaApi cuda, int device, long largestBuffer)
    {
        (_cuda, _device, LargestBuffer) = (cuda, device, largestBuffer);
        nint context, stream = 0;
        cuda.Require(cuda.PrimaryRetain(&context, device), "cuDevicePrimaryCtxRetain");
        _context = context;
        int error = cuda.PushCurrent(context);
        if (error == 0)
        {
            error = cuda.StreamCreate(&stream, NonBlocking);
            Pop();
        }

        _stream = stream;
        if (error == 0)
            return;
        Dispose();
        cuda.Require(error, "cuStreamCreate");
    }

    /// <inheritdoc/>
    public override long LargestBuffer { get; }

    /// <inheritdoc/>
    public override string? WhyNot(KernelSource source, string options) => ReadyKernels.Has(source, options) ? null
        : $"CUDA has kernels for {ReadyShapes.InWords}; OpenCL has them for any: open the card as OpenCL shows it (GpuDevice.List, 'kvant devices')";

    /// <inheritdoc/>
    public override nint Allocate(long bytes)
    {
        using Entered _ = Enter();
        ulong buffer;
        _cuda.Require(_cuda.MemAlloc(&buffer, checked((nuint)bytes)), $"cuMemAlloc of {bytes} bytes");
        return (nint)buffer;
    }

    /// <inheritdoc/>
    public override void Free(nint buffer)
    {
        if (_context == 0 || _cuda.PushCurrent(_context) != 0)
            return;
        // Kernels that were begun and use it come first.
        _ = _cuda.StreamSynchronize(_stream);
        _ = _cuda.MemFree((ulong)buffer);
        Pop();
    }

    /// <inheritdoc/>
    public override void Write(nint buffer, long offset, ReadOnlySpan<byte> bytes)
    {
        using Entered _ = Enter();
        if (bytes.IsEmpty)
            return;
        fixed (byte* from = bytes)
        {
            _cuda.Require(_cuda.CopyToDevice((ulong)buffer + (ulong)offset, from, (nuint)bytes.Length, _stream), "cuMemcpyHtoDAsync");
            _cuda.Require(_cuda.StreamSynchronize(_stream), "cuMemcpyHtoDAsync");
        }
    }

    /// <inheritdoc/>
    public override void Read(nint buffer, long offset, Span<byte> bytes)
    {
        using Entered _ = Enter();
        if (bytes.IsEmpty)
            return;
        fixed (byte* to = bytes)
        {
            _cuda.Require(_cuda.CopyFromDevice(to, (ulong)buffer + (ulong)offset, (nuint)bytes.Length, _stream), "cuMemcpyDtoHAsync");
            _cuda.Require(_cuda.StreamSynchronize(_stream), "Work on the device, or the copy of its results,");
        }
    }

    /// <inheritdoc/>
    public override nint Kernel(KernelSource source, string options, string name)
    {
        lock (_lock)
        {
            if (_kernels.TryGetValue((source, options, name), out nint kernel))
                return kernel;
            using Entered _ = Enter();
            if (!_modules.TryGetValue((source, options), out nint module))
                _modules.Add((source, options), module = Load(source, options));
            fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
                _cuda.Require(_cuda.ModuleGetFunction(&kernel, module, text), $"cuModuleGetFunction of {name}");
            _kernels.Add((source, options, name), kernel);
            return kernel;
        }
    }

    /// <inheritdoc/>
    public override void Launch(nint kernel, int groups, ReadOnlySpan<nint> buffers)
    {
        using Entered _ = Enter();
        if (groups == 0)
            return;
        void** places = stackalloc void*[buffers.Length];
        fixed (nint* values = buffers)
        {
            for (int i = 0; i < buffers.Length; i++)
                places[i] = values + i;
            _cuda.Require(_cuda.LaunchKernel(kernel, (uint)groups, 1, 1, GroupSize, 1, 1, 0, _stream, places, null), "cuLaunchKernel");
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        lock (_lock)
        {
            if (_context == 0)
                return;
            if (_cuda.PushCurrent(_context) == 0)
            {
                if (_stream != 0)
                    _ = _cuda.StreamSynchronize(_stream);
                foreach (nint module in _modules.Values)
                    _ = _cuda.ModuleUnload(module);
                if (_stream != 0)
                    _ = _cuda.StreamDestroy(_stream);
                Pop();
            }

            _ = _cuda.PrimaryRelease(_device);
            (_context, _stream) = (0, 0);
        }
    }

    private nint Load(KernelSource source, string options)
    {
        string ptx = ReadyKernels.Find(source, options) ?? throw new GpuException($"{WhyNot(source, options)}. There are none with {options}.");
        byte[] text = Encoding.ASCII.GetBytes(ptx + '\0'), log = new byte[8192];
        nint module;
        int error;
        fixed (byte* from = text, said = log)
        {
            int* kinds = stackalloc int[] { ErrorLog, ErrorLogBytes };
            void** values = stackalloc void*[] { said, (void*)log.Length };
            error = _cuda.ModuleLoad(&module, from, 2, kinds, values);
        }

        if (error == 0)
            return module;
        _cuda.Require(error, $"The driver refuses the kernels ({Encoding.UTF8.GetString(log).TrimEnd('\0', '\n')}): cuModuleLoadDataEx");
        return 0;
    }

    // Other libraries of the process may have contexts of their own: theirs is the thread's again behind each call.
    private Entered Enter()
    {
        ObjectDisposedException.ThrowIf(_context == 0, typeof(GpuDevice));
        _cuda.Require(_cuda.PushCurrent(_context), "cuCtxPushCurrent");
        return new(this);
    }

    private void Pop()
    {
        nint popped;
        _ = _cuda.PopCurrent(&popped);
    }

    private readonly ref struct Entered(CudaContext context)
    {
        public void Dispose() => context.Pop();
    }
}
