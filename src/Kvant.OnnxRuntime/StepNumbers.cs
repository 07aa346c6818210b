using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime;

/// <summary>Numbers of a step, [sequence, token], as a graph wants them: of 64 bits or of 32.</summary>
internal sealed class StepNumbers(bool isShort) : IDisposable
{
    private int[] _numbers = [];
    private long[] _long = [];
    private int _batch;
    private int _width;
    private OrtValue? _value;

    /// <summary>Room for a step, all zero.</summary>
    public Span<int> Resize(int batch, int width)
    {
        (_batch, _width) = (batch, width);
        if (_numbers.Length < batch * width)
            _numbers = new int[(batch * width) + (batch * width / 2)];
        Span<int> numbers = _numbers.AsSpan(0, batch * width);
        numbers.Clear();
        return numbers;
    }

    /// <summary>The same for a runtime, valid until the next call.</summary>
    public OrtValue Value()
    {
        _value?.Dispose();
        int count = _batch * _width;
        if (isShort)
            return _value = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, _numbers.AsMemory(0, count), [_batch, _width]);
        if (_long.Length < count)
            _long = new long[_numbers.Length];
        for (int i = 0; i < count; i++)
            _long[i] = _numbers[i];
        return _value = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, _long.AsMemory(0, count), [_batch, _width]);
    }

    public void Dispose() => _value?.Dispose();
}
