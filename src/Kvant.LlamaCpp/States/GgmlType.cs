using Kvant.Formats;

namespace Kvant.LlamaCpp.States;

/// <summary>How ggml stores the numbers of a row: so many bytes for so many numbers.</summary>
/// <param name="Id">The number that stands in a state.</param>
/// <param name="Name">What ggml calls it.</param>
/// <param name="BlockBytes">Bytes of a block.</param>
/// <param name="BlockNumbers">Numbers of a block; 1 for plain floats.</param>
internal sealed record GgmlType(int Id, string Name, int BlockBytes, int BlockNumbers)
{
    /// <summary>Single precision.</summary>
    public static readonly GgmlType F32 = new(0, "f32", 4, 1);

    /// <summary>Half precision.</summary>
    public static readonly GgmlType F16 = new(1, "f16", 2, 1);

    /// <summary>The upper halves of floats.</summary>
    public static readonly GgmlType BF16 = new(30, "bf16", 2, 1);

    // What a cache of llama.cpp may have.
    private static readonly GgmlType[] s_all =
    [
        F32, F16, BF16, new(2, "q4_0", 18, 32), new(3, "q4_1", 20, 32), new(6, "q5_0", 22, 32), new(7, "q5_1", 24, 32), new(8, "q8_0", 34, 32), new(20, "iq4_nl", 18, 32),
    ];

    /// <summary>Whether numbers lie there as they are. Rows of blocks may have been rotated before they were rounded, so they are kept as they came.</summary>
    public bool IsFloat => BlockNumbers == 1;

    /// <summary>The same as files of Kvant call it.</summary>
    public ElementType Element => this == F32 ? ElementType.F32 : this == F16 ? ElementType.F16 : ElementType.BF16;

    /// <summary>The type of a number; null for one that no cache has.</summary>
    public static GgmlType? Find(int id) => Array.Find(s_all, type => type.Id == id);

    /// <summary>The type of a name; null if there is none.</summary>
    public static GgmlType? Find(string name) => Array.Find(s_all, type => type.Name == name);

    /// <summary>Numbers of a row; -1 if its bytes are not whole blocks, or too many.</summary>
    public int Numbers(long rowBytes) => rowBytes > 0 && rowBytes % BlockBytes == 0 && rowBytes / BlockBytes <= LayerRows.MostNumbers / BlockNumbers ? (int)(rowBytes / BlockBytes) * BlockNumbers : -1;

    /// <inheritdoc/>
    public override string ToString() => Name;
}
