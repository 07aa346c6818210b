namespace Kvant.Kernels;

/// <summary>How a number becomes a whole number: the scalar form, which defines it, and the same operations for registers.</summary>
internal interface IRounding
{
    static abstract float Apply(float x, float offset, float unit);

    static abstract TVector Apply<TVector, TSimd>(TVector x, TVector offset, TVector unit)
        where TVector : struct
        where TSimd : ISimd<TVector>;
}
