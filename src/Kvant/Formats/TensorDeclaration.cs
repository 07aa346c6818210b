namespace Kvant.Formats;

/// <summary>A tensor that a <see cref="SafetensorsWriter"/> will be given.</summary>
/// <param name="Name">Its name, unique in the file, 1 to 1,024 bytes of UTF-8.</param>
/// <param name="ElementType">How each number is stored.</param>
/// <param name="Shape">The dimensions, slowest first; empty for a single number.</param>
internal sealed record TensorDeclaration(string Name, ElementType ElementType, params IReadOnlyList<long> Shape)
{
    /// <summary>How many bytes the tensor takes: the product of the dimensions times the size of a number.</summary>
    /// <exception cref="ArgumentException">A dimension is negative or the product does not fit 63 bits.</exception>
    internal long ByteLength()
    {
        long bytes = ElementType.Size();
        foreach (long dimension in Shape)
        {
            if (dimension < 0) throw new ArgumentException($"{Name}: dimension {dimension} is negative");
            long product;
            try
            {
                product = checked(bytes * dimension);
            }
            catch (OverflowException)
            {
                throw new ArgumentException($"{Name}: the shape [{string.Join(", ", Shape)}] holds more than 2^63 bytes");
            }
            bytes = product;
        }
        return bytes;
    }
}
