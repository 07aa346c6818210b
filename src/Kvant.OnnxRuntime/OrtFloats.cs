using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Kvant.OnnxRuntime;

/// <summary>Floats and halves of a runtime.</summary>
internal static class OrtFloats
{
    /// <summary>A tensor of floats, or of halves that are rounded from them.</summary>
    public static OrtValue Of(float[] numbers, bool half, params long[] shape)
    {
        if (!half)
            return OrtValue.CreateTensorValueFromMemory(numbers, shape);
        var halves = new Float16[numbers.Length];
        TensorPrimitives.ConvertToHalf(numbers, MemoryMarshal.Cast<Float16, Half>(halves.AsSpan()));
        return OrtValue.CreateTensorValueFromMemory(halves, shape);
    }

    /// <summary>Some numbers of a tensor of floats or halves.</summary>
    public static void Copy(OrtValue value, long first, Span<float> numbers)
    {
        if (value.GetTensorTypeAndShape().ElementDataType == TensorElementType.Float16)
            TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<Float16, Half>(value.GetTensorDataAsSpan<Float16>()).Slice((int)first, numbers.Length), numbers);
        else
            value.GetTensorDataAsSpan<float>().Slice((int)first, numbers.Length).CopyTo(numbers);
    }

    /// <summary>All numbers.</summary>
    public static float[] Read(OrtValue value)
    {
        float[] numbers = new float[value.GetTensorTypeAndShape().ElementCount];
        Copy(value, 0, numbers);
        return numbers;
    }
}
