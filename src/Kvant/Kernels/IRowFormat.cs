namespace Kvant.Kernels;

/// <summary>How the numbers of a row are stored, for the kernels that attend to rows.</summary>
internal interface IRowFormat
{
    /// <summary>One number; the definition.</summary>
    static abstract float Number(StoredRow row, int column);

    /// <summary>A register of numbers from a column on, which is a multiple of the lanes.</summary>
    static abstract TVector Load<TVector, TSimd>(StoredRow row, int column)
        where TVector : struct
        where TSimd : IRowSimd<TVector>;
}
