namespace Kvant.LlamaCpp.States;

/// <summary>How a layer's keys and values are stored: of each a type and the bytes of a row, which is a token's, all heads.</summary>
/// <param name="KeyType">The keys' type.</param>
/// <param name="KeyBytes">Bytes of a token's keys.</param>
/// <param name="ValueType">The values' type.</param>
/// <param name="ValueBytes">Bytes of a token's values, whichever way they lie.</param>
internal sealed record LayerRows(GgmlType KeyType, long KeyBytes, GgmlType ValueType, long ValueBytes)
{
    /// <summary>More numbers than any model's row has.</summary>
    public const int MostNumbers = 1 << 20;

    /// <summary>Bytes before the rows of keys, and of values that are not transposed: type and row size. Transposed: type, bytes of a number, numbers. As many.</summary>
    public const int HeaderBytes = sizeof(int) + sizeof(long);

    /// <summary>Numbers of a token's keys.</summary>
    public int KeyWidth => KeyType.Numbers(KeyBytes);

    /// <summary>Numbers of a token's values.</summary>
    public int ValueWidth => ValueType.Numbers(ValueBytes);

    /// <summary>Whether both are floats, and so can be compressed.</summary>
    public bool IsFloat => KeyType.IsFloat && ValueType.IsFloat;
}
