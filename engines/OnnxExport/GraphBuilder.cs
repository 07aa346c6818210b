using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.OnnxRuntime.Graphs;

namespace OnnxExport;

/// <summary>A graph while it is written: each call adds an operation and gives the name of its result.</summary>
internal sealed class GraphBuilder(bool half, Stream? data, string? dataFile)
{
    private readonly Dictionary<string, OnnxTensor> _tensors = [];
    private readonly List<OnnxNode> _nodes = [];

    public List<OnnxValue> Inputs { get; } = [];

    public List<OnnxValue> Outputs { get; } = [];

    /// <summary>The type of weights, keys and values.</summary>
    public int Type => half ? OnnxTensor.Half : OnnxTensor.Float;

    public string Add(string operation, IReadOnlyList<string> inputs, params OnnxAttribute[] attributes) => Add(operation, "", inputs, [$"v{_nodes.Count}"], attributes);

    public string Add(string operation, string domain, IReadOnlyList<string> inputs, IReadOnlyList<string> outputs, params OnnxAttribute[] attributes)
    {
        _nodes.Add(new OnnxNode { Operation = operation, Domain = domain, Name = $"{operation}_{_nodes.Count}", Inputs = inputs, Outputs = outputs, Attributes = attributes });
        return outputs[0];
    }

    public string Integers(params long[] numbers) => Keep("i" + string.Join('_', numbers), name => OnnxTensor.Of(name, numbers, numbers.Length));

    public string Integer(long number) => Keep("n" + number, name => OnnxTensor.Of(name, [number]));

    /// <summary>A number of the type of weights.</summary>
    public string Number(float number) => Keep("f" + number, name => Numbers(name, [number]));

    public string Single(float number) => Keep("s" + number, name => OnnxTensor.Of(name, [number]));

    public string Singles(string name, float[] numbers, params long[] dimensions) => Keep(name, _ => OnnxTensor.Of(name, numbers, dimensions));

    /// <summary>Numbers of the type of weights.</summary>
    public string Weights(string name, Func<float[]> numbers, params long[] dimensions) => Keep(name, _ => Numbers(name, numbers(), dimensions));

    public string Cast(string value, int type) => Add("Cast", [value], OnnxAttribute.Of("to", type));

    public string Reshape(string value, params long[] shape) => Add("Reshape", [value, Integers(shape)]);

    public string Transpose(string value, params long[] order) => Add("Transpose", [value], OnnxAttribute.Of("perm", order));

    public string Slice(string value, long from, long to, long axis) => Add("Slice", [value, Integers(from), Integers(to), Integers(axis)]);

    public string Unsqueeze(string value, params long[] axes) => Add("Unsqueeze", [value, Integers(axes)]);

    public string Concat(long axis, params string[] values) => Add("Concat", values, OnnxAttribute.Of("axis", axis));

    public OnnxModel Model() => new()
    {
        Operations = new Dictionary<string, long> { [""] = 17, [OnnxModel.RuntimeDomain] = 1 },
        Nodes = _nodes,
        Tensors = [.. _tensors.Values],
        Inputs = Inputs,
        Outputs = Outputs,
    };

    private string Keep(string name, Func<string, OnnxTensor> make)
    {
        if (!_tensors.ContainsKey(name))
            _tensors.Add(name, make(name));
        return name;
    }

    private OnnxTensor Numbers(string name, float[] numbers, params long[] dimensions)
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes<float>(numbers);
        if (half)
        {
            var halves = new Half[numbers.Length];
            TensorPrimitives.ConvertToHalf(numbers, halves);
            bytes = MemoryMarshal.AsBytes<Half>(halves);
        }

        if (data is null || bytes.Length < 4096)
            return OnnxTensor.Of(name, Type, bytes, dimensions);
        long offset = data.Position;
        data.Write(bytes);
        return OnnxTensor.Outside(name, Type, dimensions, dataFile!, offset, bytes.Length);
    }
}
