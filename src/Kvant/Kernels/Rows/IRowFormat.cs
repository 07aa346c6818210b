namespace Kvant.Kernels;

/// <summary>How the numbers of a row are stored, for the kernels that attend to rows.</summary>
internal unsafe interface IRowFormat
{
    /// <summary>Bits of a number that lies inside bytes with others; 0 where numbers are whole bytes.</summary>
    static abstract int FieldBits { get; }

    /// <summary>What is subtracted from such a number.</summary>
    static abstract int FieldBias { get; }

    /// <summary>Bytes from the beginning of a row to the number in a column, or to the byte where it begins.</summary>
    static abstract nint Offset(int column);

    /// <summary>One number; the definition.</summary>
    /// <param name="at">Where <see cref="Offset"/> says.</param>
    /// <param name="scale">The scale of its group, where the format has such; else not read.</param>
    /// <param name="column">The column.</param>
    static abstract float Number(byte* at, float* scale, int column);

    /// <summary>A register of numbers from a column on, which is a multiple of the lanes.</summary>
    /// <param name="at">Where <see cref="Offset"/> says.</param>
    /// <param name="scale">The scale of their group, where the format has such; else not read.</param>
    /// <param name="column">The column, or what it leaves when divided by 32.</param>
    /// <param name="constants">Those of this format.</param>
    static abstract TVector Load<TVector, TSimd>(byte* at, float* scale, int column, FieldConstants<TVector> constants)
        where TVector : struct
        where TSimd : IRowSimd<TVector>;
}
