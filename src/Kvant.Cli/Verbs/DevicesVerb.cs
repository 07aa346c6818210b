using System.CommandLine;
using Kvant.Cli.Output;
using Kvant.Gpu;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant devices</c>: what of this machine attends beside the processor.</summary>
internal sealed class DevicesVerb : Verb
{
    private static readonly Column<GpuDeviceInfo>[] Columns =
    [
        Column<GpuDeviceInfo>.OfInteger("number", "device", device => device.Number),
        Column<GpuDeviceInfo>.OfText("name", "name", device => device.Name),
        Column<GpuDeviceInfo>.OfText("kind", "kind", device => device.Kind.ToString().ToLowerInvariant()),
        Column<GpuDeviceInfo>.OfText("driver", "driver", device => device.Driver),
        Column<GpuDeviceInfo>.OfInteger("compute_units", "units", device => device.ComputeUnits),
        Column<GpuDeviceInfo>.OfInteger("memory_bytes", "bytes of memory", device => device.MemoryBytes),
    ];

    public DevicesVerb()
        : base("devices", "List the graphics cards, and other devices, that can attend to a cache.")
    {
    }

    public override string Details => """
            A device is named by its number in this list. Any driver of OpenCL 1.2 will do; one that computes on the processor (pocl) is of
            kind 'cpu': right, for trying things out, and no faster than attention without it. A card of NVIDIA (compute capability 8.0
            and later) stands there by its driver of CUDA, for which kernels of the commonest codecs come along, and once more by OpenCL
            for all others, where that is installed. Where there is none, the list is empty and standard error says why.
            """;

    public override IReadOnlyList<string> Examples => ["kvant devices", "kvant devices --json | jq length"];

    protected override void Run(ParseResult result, Terminal terminal, bool json)
    {
        IReadOnlyList<GpuDeviceInfo> devices = GpuDevice.List();
        if (devices.Count == 0 && GpuDevice.WhyNone is { } why)
            terminal.Error.WriteLine($"kvant: {why}");
        if (devices.Count > 0 || json)
            Tables.Write(terminal, json, Columns, devices);
    }
}
