using System.Runtime.CompilerServices;

namespace Kvant.Kernels;

/// <summary>The roundings that codecs use.</summary>
internal static class Roundings
{
    /// <summary>(x - offset) / unit, halves to the even number.</summary>
    internal readonly struct Quotient : IRounding
    {
        public static float Apply(float x, float offset, float unit) => MathF.Round((x - offset) / unit);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVector Apply<TVector, TSimd>(TVector x, TVector offset, TVector unit)
            where TVector : struct
            where TSimd : ISimd<TVector> => TSimd.Round(TSimd.Divide(TSimd.Subtract(x, offset), unit));
    }

    /// <summary>x * unit, halves away from zero; the offset is not used.</summary>
    internal readonly struct Product : IRounding
    {
        public static float Apply(float x, float offset, float unit) => MathF.Round(x * unit, MidpointRounding.AwayFromZero);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVector Apply<TVector, TSimd>(TVector x, TVector offset, TVector unit)
            where TVector : struct
            where TSimd : ISimd<TVector>
        {
            // What is cut off is exact, so that the comparison with a half is, too.
            TVector y = TSimd.Multiply(x, unit), whole = TSimd.Truncate(y), rest = TSimd.Abs(TSimd.Subtract(y, whole));
            TVector next = TSimd.Add(whole, TSimd.CopySign(TSimd.Broadcast(1), y));
            return TSimd.Select(TSimd.GreaterThan(TSimd.Broadcast(0.5f), rest), whole, next);
        }
    }

    /// <summary>x * unit + offset, cut off.</summary>
    internal readonly struct Shifted : IRounding
    {
        public static float Apply(float x, float offset, float unit)
        {
            float product = x * unit; // a variable, so that nothing may fuse
            return MathF.Truncate(product + offset);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TVector Apply<TVector, TSimd>(TVector x, TVector offset, TVector unit)
            where TVector : struct
            where TSimd : ISimd<TVector> => TSimd.Truncate(TSimd.Add(TSimd.Multiply(x, unit), offset));
    }
}
