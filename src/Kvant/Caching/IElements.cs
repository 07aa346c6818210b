namespace Kvant.Caching;

/// <summary>A kind of number that callers hand in, as floats.</summary>
/// <typeparam name="T">How the caller stores it.</typeparam>
internal interface IElements<T>
    where T : unmanaged
{
    /// <summary>The numbers as floats: themselves, or converted into the scratch.</summary>
    static abstract ReadOnlySpan<float> Floats(ReadOnlySpan<T> numbers, Span<float> scratch);
}
