using System.Text;

namespace Kvant.Gpu.Drivers;

/// <summary>A device of OpenCL, opened.</summary>
internal sealed unsafe class OpenClContext : DeviceContext
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(KernelSource, string), nint> _programs = [];
    private readonly Dictionary<(KernelSource, string, string), nint> _kernels = [];
    private readonly nint _device;
    private nint _context;
    private nint _queue;

    /// <summary>Opens a device.</summary>
    public OpenClContext(nint device, long largestBuffer)
    {
        (_device, LargestBuffer) = (device, largestBuffer);
        int error;
        _context = OpenCl.CreateContext(null, 1, &device, 0, 0, &error);
        Require(error, "clCreateContext");
        _queue = OpenCl.CreateCommandQueue(_context, device, 0, &error);
        if (error == 0)
            return;
        Dispose();
        Require(error, "clCreateCommandQueue");
    }

    /// <inheritdoc/>
    public override long LargestBuffer { get; }

    /// <summary>Says what went wrong.</summary>
    /// <exception cref="GpuException">Something did.</exception>
    public static void Require(int error, string call)
    {
        if (error != 0)
            throw new GpuException($"{call} failed: {OpenClNames.Of(error)} ({error}).");
    }

    /// <inheritdoc/>
    public override nint Allocate(long bytes)
    {
        int error;
        nint buffer = OpenCl.CreateBuffer(Alive(), 1, checked((nuint)bytes), null, &error); // to be read and written
        Require(error, $"clCreateBuffer of {bytes} bytes");
        return buffer;
    }

    /// <inheritdoc/>
    public override void Free(nint buffer)
    {
        if (_context != 0)
            _ = OpenCl.ReleaseMemObject(buffer);
    }

    /// <inheritdoc/>
    public override void Write(nint buffer, long offset, ReadOnlySpan<byte> bytes)
    {
        Alive();
        fixed (byte* from = bytes)
        {
            if (bytes.Length > 0)
                Require(OpenCl.EnqueueWriteBuffer(_queue, buffer, 1, (nuint)offset, (nuint)bytes.Length, from, 0, null, null), "clEnqueueWriteBuffer");
        }
    }

    /// <inheritdoc/>
    public override void Read(nint buffer, long offset, Span<byte> bytes)
    {
        Alive();
        fixed (byte* to = bytes)
        {
            if (bytes.Length > 0)
                Require(OpenCl.EnqueueReadBuffer(_queue, buffer, 1, (nuint)offset, (nuint)bytes.Length, to, 0, null, null), "clEnqueueReadBuffer");
        }
    }

    /// <inheritdoc/>
    public override nint Kernel(KernelSource source, string options, string name)
    {
        lock (_lock)
        {
            if (_kernels.TryGetValue((source, options, name), out nint kernel))
                return kernel;
            if (!_programs.TryGetValue((source, options), out nint program))
                _programs.Add((source, options), program = Build(source, options));
            int error;
            kernel = OpenCl.CreateKernel(program, name, &error);
            Require(error, $"clCreateKernel of {name}");
            _kernels.Add((source, options, name), kernel);
            return kernel;
        }
    }

    /// <inheritdoc/>
    public override string? WhyNot(KernelSource source, string options) => source == KernelSource.OfTensors ? "OpenCL has no matrix units" : null;

    /// <inheritdoc/>
    public override void Launch(nint kernel, int groups, ReadOnlySpan<nint> buffers)
    {
        // Arguments belong to the kernel until it is queued.
        lock (_lock)
        {
            Alive();
            for (int i = 0; i < buffers.Length; i++)
            {
                nint buffer = buffers[i];
                Require(OpenCl.SetKernelArg(kernel, (uint)i, (nuint)sizeof(nint), &buffer), $"clSetKernelArg {i}");
            }

            nuint local = GroupSize, global = (nuint)groups * local;
            Require(OpenCl.EnqueueNDRangeKernel(_queue, kernel, 1, null, &global, &local, 0, null, null), "clEnqueueNDRangeKernel");
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        lock (_lock)
        {
            if (_context == 0)
                return;
            if (_queue != 0)
                _ = OpenCl.Finish(_queue);
            foreach (nint kernel in _kernels.Values)
                _ = OpenCl.ReleaseKernel(kernel);
            foreach (nint program in _programs.Values)
                _ = OpenCl.ReleaseProgram(program);
            if (_queue != 0)
                _ = OpenCl.ReleaseCommandQueue(_queue);
            _ = OpenCl.ReleaseContext(_context);
            (_context, _queue) = (0, 0);
        }
    }

    private nint Alive()
    {
        ObjectDisposedException.ThrowIf(_context == 0, typeof(GpuDevice));
        return _context;
    }

    private nint Build(KernelSource source, string options)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(source.OpenCl);
        int error;
        nint program, device = _device;
        fixed (byte* text = bytes)
        {
            byte* one = text;
            nuint length = (nuint)bytes.Length;
            program = OpenCl.CreateProgramWithSource(Alive(), 1, &one, &length, &error);
        }

        Require(error, "clCreateProgramWithSource");
        error = OpenCl.BuildProgram(program, 1, &device, $"-cl-std=CL1.2 {source.Options} {options}", 0, 0);
        if (error == 0)
            return program;
        string log = Log(program);
        _ = OpenCl.ReleaseProgram(program);
        throw new GpuException($"The device's compiler refuses the kernels ({OpenClNames.Of(error)}, {error}) with {options}: {log}");
    }

    private string Log(nint program)
    {
        nuint length;
        if (OpenCl.GetProgramBuildInfo(program, _device, OpenClNames.BuildLog, 0, null, &length) != 0 || length == 0)
            return "it says nothing.";
        byte[] log = new byte[(int)Math.Min(length, 1 << 20)];
        fixed (byte* to = log)
            _ = OpenCl.GetProgramBuildInfo(program, _device, OpenClNames.BuildLog, (nuint)log.Length, to, null);
        return Encoding.UTF8.GetString(log).TrimEnd('\0', '\n');
    }
}
