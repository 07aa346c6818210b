using Kvant.Attention;
using Kvant.Kernels;
using Kvant.Models.Kernels;
using Kvant.Models.Weights;

namespace Kvant.Models.Formats;

/// <summary>
/// One of ggml's ways to store the numbers of a tensor: blocks of a fixed count of numbers, each a fixed count of bytes.
/// A weight stays in its format; <see cref="Dequantize"/> is the definition of what it means.
/// </summary>
public abstract class TensorFormat
{
    private protected TensorFormat(uint id, string name, int blockLength, int blockBytes)
    {
        Id = id;
        Name = name;
        BlockLength = blockLength;
        BlockBytes = blockBytes;
    }

    /// <summary>Every format that can be read: one line each.</summary>
    public static IReadOnlyList<TensorFormat> All { get; } =
    [
        new StoredFormat<F32Format>(), new StoredFormat<F16Format>(), new StoredFormat<BF16Format>(),
        new CodeFormat<Q80Format>(), new CodeFormat<Q40Format>(), new CodeFormat<Q41Format>(),
        new CodeFormat<Q50Format>(), new CodeFormat<Q51Format>(),
        new CodeFormat<Q4KFormat>(), new CodeFormat<Q5KFormat>(), new CodeFormat<Q6KFormat>(),
    ];

    /// <summary>Single precision, what norms and biases are stored in.</summary>
    public static TensorFormat F32 => All[0];

    /// <summary>The number that names the format in a GGUF file.</summary>
    public uint Id { get; }

    /// <summary>The name that ggml gives it, such as <c>Q4_K</c>.</summary>
    public string Name { get; }

    /// <summary>How many numbers a block holds.</summary>
    public int BlockLength { get; }

    /// <summary>How many bytes a block takes.</summary>
    public int BlockBytes { get; }

    /// <summary>Whether the numbers are small integers with scales, which can meet rounded vectors.</summary>
    internal virtual bool HasCodes => false;

    internal static string Known => string.Join(", ", All.Select(static f => f.Name));

    /// <summary>The format of that name.</summary>
    /// <exception cref="ArgumentException">There is none; the message names those that are known.</exception>
    public static TensorFormat Parse(string name) =>
        All.FirstOrDefault(f => f.Name == name) ?? throw new ArgumentException($"the tensor format '{name}' is not known; known are {Known}", nameof(name));

    /// <summary>Turns blocks into numbers.</summary>
    /// <param name="blocks">Whole blocks.</param>
    /// <param name="numbers">Receives <see cref="BlockLength"/> numbers of each block.</param>
    /// <exception cref="ArgumentException">The two lengths do not belong together.</exception>
    public void Dequantize(ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        Check(blocks, numbers.Length);
        DequantizeBlocks(blocks, numbers);
    }

    /// <summary>The dot product of the numbers in blocks with a vector, without writing the numbers down.</summary>
    /// <param name="blocks">Whole blocks.</param>
    /// <param name="vector">As many numbers as the blocks hold.</param>
    /// <exception cref="ArgumentException">The two lengths do not belong together.</exception>
    public float Dot(ReadOnlySpan<byte> blocks, ReadOnlySpan<float> vector)
    {
        Check(blocks, vector.Length);
        return DotBlocks(blocks, vector);
    }

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    /// <summary>The bytes of so many numbers, which are whole blocks.</summary>
    internal long Bytes(long numbers) => checked(numbers / BlockLength * BlockBytes);

    /// <summary>Products of whole rows with rounded vectors, of a format that has codes: <see cref="RowProducts"/>.</summary>
    internal virtual void MultiplyRows(ReadOnlySpan<byte> rows, int count, RoundedVectors vectors, Span<float> products, int stride, Span<float> scratch, SimdWidth width) =>
        throw new NotSupportedException($"{Name} has no codes");

    /// <summary>Products of at most a panel of rows with many rounded vectors, of a format that has codes.</summary>
    internal virtual void MultiplyPanel(Panel panel, ReadOnlySpan<byte> rows, int count, RoundedVectors vectors) => throw new NotSupportedException($"{Name} has no codes");

    /// <summary>A copy of a matrix for fast products with few tokens; nothing if the format has no codes or the matrix cannot be copied so.</summary>
    internal virtual Bundle? Bundle(WeightMatrix matrix, WorkerTeam team, SimdWidth width) => null;

    /// <summary>Products of rows of a bundle, from a group on, with rounded vectors.</summary>
    internal virtual void MultiplyBundle(Bundle bundle, int group, int rows, RoundedVectors vectors, Span<float> products, int stride) => throw new NotSupportedException($"{Name} has no codes");

    /// <summary>Products of the panel of rows that begins with a group of a bundle.</summary>
    internal virtual void MultiplyPanel(Panel panel, Bundle bundle, int group, int rows, RoundedVectors vectors) => throw new NotSupportedException($"{Name} has no codes");

    private protected abstract void DequantizeBlocks(ReadOnlySpan<byte> blocks, Span<float> numbers);

    private protected abstract float DotBlocks(ReadOnlySpan<byte> blocks, ReadOnlySpan<float> vector);

    private void Check(ReadOnlySpan<byte> blocks, int numbers)
    {
        if (numbers % BlockLength != 0 || blocks.Length != (long)numbers / BlockLength * BlockBytes)
            throw new ArgumentException($"{blocks.Length} bytes of {Name} do not hold {numbers} numbers; a block is {BlockLength} numbers in {BlockBytes} bytes", nameof(blocks));
    }
}
