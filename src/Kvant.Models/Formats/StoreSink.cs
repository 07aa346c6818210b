using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>Writes the numbers down. The caller has checked that they fit.</summary>
internal ref struct StoreSink(Span<float> numbers) : INumberSink
{
    private readonly ref float _numbers = ref MemoryMarshal.GetReference(numbers);
    private nuint _next = 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(Vector256<float> numbers)
    {
        numbers.StoreUnsafe(ref _numbers, _next);
        _next += (nuint)Vector256<float>.Count;
    }

    public void Take(float number) => Unsafe.Add(ref _numbers, _next++) = number;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(RunCodes codes, float scale, float lastScale, float shift)
    {
        Vector256<float> first = Vector256.Create(scale), last = Vector256.Create(lastScale), add = Vector256.Create(shift);
        (Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d) = BlockMath.Widen(codes);
        Take((a * first) + add);
        Take((b * first) + add);
        Take((c * last) + add);
        Take((d * last) + add);
    }
}
