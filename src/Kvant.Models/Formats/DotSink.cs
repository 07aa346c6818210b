using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>Adds up the products of the numbers with a vector; the numbers are never written down. The caller has checked the lengths.</summary>
internal ref struct DotSink(ReadOnlySpan<float> vector) : INumberSink
{
    private readonly ref float _vector = ref MemoryMarshal.GetReference(vector);
    private nuint _next = 0;
    private Vector256<float> _first = default;
    private Vector256<float> _second = default;

    internal readonly float Sum => Vector256.Sum(_first + _second);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(Vector256<float> numbers)
    {
        // Two sums in turn, so that an addition need not wait for the one before.
        Vector256<float> sum = Vector256.FusedMultiplyAdd(numbers, Next(), _second);
        (_first, _second) = (sum, _first);
    }

    public void Take(float number) => _first += Vector256.CreateScalar(number * Unsafe.Add(ref _vector, _next++));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(RunCodes codes, float scale, float lastScale, float shift)
    {
        (Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d) = BlockMath.Widen(codes);
        Vector256<float> x = Next(), y = Next(), z = Next(), w = Next();
        Vector256<float> lower = Vector256.FusedMultiplyAdd(b, y, a * x), upper = Vector256.FusedMultiplyAdd(d, w, c * z);
        _first = Vector256.FusedMultiplyAdd(lower, Vector256.Create(scale), _first);
        _second = Vector256.FusedMultiplyAdd(upper, Vector256.Create(lastScale), _second);
        if (shift != 0) _first = Vector256.FusedMultiplyAdd(x + y + (z + w), Vector256.Create(shift), _first);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<float> Next()
    {
        Vector256<float> next = Vector256.LoadUnsafe(ref _vector, _next);
        _next += (nuint)Vector256<float>.Count;
        return next;
    }
}
