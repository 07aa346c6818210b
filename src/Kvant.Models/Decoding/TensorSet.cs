using Kvant.Models.Formats;
using Kvant.Models.Gguf;
using Kvant.Models.Weights;

namespace Kvant.Models.Decoding;

/// <summary>Takes the tensors of a model one by one, checks their shapes, and knows in the end whether one was left: a tensor that
/// nobody takes belongs to a model of another kind, and leaving it out would answer wrongly without a word.</summary>
internal sealed class TensorSet(GgufFile file)
{
    private readonly HashSet<string> _taken = [];

    internal bool Has(string name) => file.TryGetTensor(name, out _);

    internal WeightMatrix Matrix(string name, int columns, int? rows = null)
    {
        GgufTensor tensor = file.Tensor(name);
        if (tensor.Shape.Count != 2 || tensor.Shape[0] != columns || (rows is { } wanted && tensor.Shape[1] != wanted))
            throw new InvalidDataException($"{file.Path}: the tensor {tensor} has another shape than the model's sizes ask for: [{columns}, {(rows is { } r ? r : "any")}]");
        _taken.Add(name);
        return new WeightMatrix(file, tensor);
    }

    /// <summary>A few numbers, copied; they are stored in single precision in every file.</summary>
    internal float[] Vector(string name, int length)
    {
        GgufTensor tensor = file.Tensor(name);
        if (tensor.Format != TensorFormat.F32 || tensor.Shape.Count != 1 || tensor.Shape[0] != length)
            throw new InvalidDataException($"{file.Path}: the tensor {tensor} is not what the model's sizes ask for: F32 [{length}]");
        _taken.Add(name);
        float[] numbers = new float[length];
        tensor.Format.Dequantize(file.Bytes(tensor, 0, (int)tensor.ByteLength), numbers);
        return numbers;
    }

    /// <summary>What speeds are divided by: numbers above 0.</summary>
    internal float[]? FactorsIf(bool wanted, string name, int length)
    {
        float[]? factors = VectorIf(wanted, name, length);
        return factors?.All(static f => f > 0 && float.IsFinite(f)) != false ? factors : throw new InvalidDataException($"{file.Path}: a number of {name} is not above 0");
    }

    internal float[]? VectorIf(bool wanted, string name, int length) => wanted ? Vector(name, length) : null;

    internal Projection Projection(string name, int columns, int rows, bool needsBias = false)
    {
        WeightMatrix matrix = Matrix(name + ".weight", columns, rows);
        return new Projection(matrix, VectorIf(needsBias || Has(name + ".bias"), name + ".bias", rows));
    }

    /// <summary>Projections without a bias whose matrices are one, in their order.</summary>
    internal Projection[] Fused(string name, int columns, params int[] rows)
    {
        // No tensor can have more rows than fit an int.
        WeightMatrix whole = Matrix(name + ".weight", columns, (int)Math.Min(rows.Sum(static r => (long)r), int.MaxValue));
        Projection[] parts = new Projection[rows.Length];
        for (int part = 0, first = 0; part < parts.Length; first += rows[part++]) parts[part] = new Projection(whole.Slice(first, rows[part]), null);
        return parts;
    }

    /// <summary>Matrices of one shape that lie behind each other in one tensor, without biases.</summary>
    internal Projection[] Stacked(string name, int columns, int rows, int count)
    {
        GgufTensor tensor = file.Tensor(name);
        if (tensor.Shape.Count != 3 || tensor.Shape[0] != columns || tensor.Shape[1] != rows || tensor.Shape[2] != count)
            throw new InvalidDataException($"{file.Path}: the tensor {tensor} has another shape than the model's sizes ask for: [{columns}, {rows}, {count}]");
        _taken.Add(name);
        WeightMatrix whole = new(file, tensor);
        return [.. Enumerable.Range(0, count).Select(i => new Projection(whole.Slice(i * rows, rows), null))];
    }

    internal void CheckNoneIsLeft(string architecture)
    {
        foreach (GgufTensor tensor in file.Tensors)
        {
            if (!_taken.Contains(tensor.Name)) throw new InvalidDataException($"{file.Path}: the tensor {tensor} is no part of a model of the architecture '{architecture}'");
        }
    }
}
