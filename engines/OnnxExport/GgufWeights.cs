using System.Runtime.InteropServices;
using Kvant.Models.Decoding;
using Kvant.Models.Gguf;
using Kvant.Models.Weights;

namespace OnnxExport;

/// <summary>The weights of a llama in a GGUF file, as exported decoders have them: matrices as inputs x outputs, and positions that turn halves of heads.</summary>
internal sealed class GgufWeights(LanguageModel model)
{
    public float[] Vector(string name) => Rows(model.File.Tensor(name));

    /// <summary>A matrix of inputs x outputs.</summary>
    public float[] Matrix(string name)
    {
        GgufTensor tensor = model.File.Tensor(name);
        return Transposed(Rows(tensor), (int)tensor.Shape[0]);
    }

    /// <summary>A matrix whose outputs are turned by their positions.</summary>
    public float[] TurnedMatrix(string name)
    {
        GgufTensor tensor = model.File.Tensor(name);
        int columns = (int)tensor.Shape[0];
        return Transposed(Halves(Rows(tensor), columns), columns);
    }

    /// <summary>As it lies: a row for each token.</summary>
    public float[] Table(string name) => Rows(model.File.Tensor(name));

    public bool Has(string name) => model.File.TryGetTensor(name, out _);

    /// <summary>GGUF has coordinates that are turned together beside each other, exported models half a head apart.</summary>
    public float[] Halves(float[] rows, int columns)
    {
        int dimension = model.Config.HeadDimension, half = dimension / 2;
        float[] moved = new float[rows.Length];
        for (int row = 0; row < rows.Length / columns; row++)
        {
            int head = row / dimension * dimension, within = row % dimension;
            int source = head + (within < half ? 2 * within : (2 * (within - half)) + 1);
            rows.AsSpan(source * columns, columns).CopyTo(moved.AsSpan(row * columns));
        }

        return moved;
    }

    private float[] Rows(GgufTensor tensor)
    {
        int columns = (int)tensor.Shape[0];
        if (tensor.Shape.Count == 1)
        {
            float[] vector = new float[columns];
            MemoryMarshal.Cast<byte, float>(model.File.Bytes(tensor, 0, columns * sizeof(float))).CopyTo(vector);
            return vector;
        }

        WeightMatrix matrix = new(model.File, tensor);
        float[] rows = new float[(long)matrix.Rows * columns];
        for (int row = 0; row < matrix.Rows; row++)
            matrix.ReadRow(row, rows.AsSpan(row * columns, columns));
        return rows;
    }

    private static float[] Transposed(float[] rows, int columns)
    {
        int count = rows.Length / columns;
        float[] turned = new float[rows.Length];
        for (int row = 0; row < count; row++)
        {
            for (int column = 0; column < columns; column++)
                turned[(column * count) + row] = rows[(row * columns) + column];
        }

        return turned;
    }
}
