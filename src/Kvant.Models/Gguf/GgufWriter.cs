using System.Runtime.InteropServices;
using System.Text;
using Kvant.Formats;
using Kvant.Models.Formats;

namespace Kvant.Models.Gguf;

/// <summary>Collects metadata and tensors and writes them as a GGUF file of version 3. The same calls give the same bytes.</summary>
internal sealed class GgufWriter
{
    private readonly List<(string Key, Action<BinaryWriter> Write)> _metadata = [];
    private readonly List<(string Name, TensorFormat Format, long[] Shape, byte[] Bytes)> _tensors = [];
    private readonly HashSet<string> _names = [];

    /// <summary>Adds a text.</summary>
    /// <exception cref="ArgumentException">The key was added before or is empty.</exception>
    public void Add(string key, string text) => AddValue(key, GgufValueType.Text, w => Write(w, text));

    /// <summary>Adds yes or no.</summary>
    /// <exception cref="ArgumentException">The key was added before or is empty.</exception>
    public void Add(string key, bool value) => AddValue(key, GgufValueType.Boolean, w => w.Write(value));

    /// <summary>Adds a whole number that is not negative.</summary>
    /// <exception cref="ArgumentException">The key was added before or is empty.</exception>
    public void Add(string key, uint value) => AddValue(key, GgufValueType.UInt32, w => w.Write(value));

    /// <summary>Adds a number in single precision.</summary>
    /// <exception cref="ArgumentException">The key was added before or is empty.</exception>
    public void Add(string key, float value) => AddValue(key, GgufValueType.Float32, w => w.Write(value));

    /// <summary>Adds an array of texts.</summary>
    /// <exception cref="ArgumentException">The key was added before or is empty.</exception>
    public void Add(string key, IReadOnlyList<string> texts) => AddArray(key, GgufValueType.Text, texts, static (w, text) => Write(w, text));

    /// <summary>Adds an array of numbers in single precision.</summary>
    /// <exception cref="ArgumentException">The key was added before or is empty.</exception>
    public void Add(string key, IReadOnlyList<float> values) => AddArray(key, GgufValueType.Float32, values, static (w, value) => w.Write(value));

    /// <summary>Adds an array of whole numbers.</summary>
    /// <exception cref="ArgumentException">The key was added before or is empty.</exception>
    public void Add(string key, IReadOnlyList<int> values) => AddArray(key, GgufValueType.Int32, values, static (w, value) => w.Write(value));

    /// <summary>Adds a tensor of single-precision numbers.</summary>
    /// <param name="name">A name of its own.</param>
    /// <param name="numbers">The numbers, row after row.</param>
    /// <param name="shape">The dimensions, fastest first.</param>
    /// <exception cref="ArgumentException">The name was added before, or the shape does not fit the numbers.</exception>
    public void AddTensor(string name, ReadOnlySpan<float> numbers, params ReadOnlySpan<long> shape) =>
        AddTensor(name, TensorFormat.F32, MemoryMarshal.AsBytes(numbers), shape);

    /// <summary>Adds a tensor in its stored form.</summary>
    /// <param name="name">A name of its own.</param>
    /// <param name="format">How the numbers are stored.</param>
    /// <param name="bytes">The blocks.</param>
    /// <param name="shape">The dimensions, fastest first.</param>
    /// <exception cref="ArgumentException">The name was added before, or the shape does not fit the bytes.</exception>
    public void AddTensor(string name, TensorFormat format, ReadOnlySpan<byte> bytes, params ReadOnlySpan<long> shape)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(format);
        if (shape.Length is 0 or > GgufHeader.MostDimensions) throw new ArgumentException($"{shape.Length} dimensions found, 1 to {GgufHeader.MostDimensions} wanted", nameof(shape));
        long elements = 1;
        foreach (long dimension in shape) elements = checked(elements * dimension);
        if (shape[0] % format.BlockLength != 0 || format.Bytes(elements) != bytes.Length)
            throw new ArgumentException($"{bytes.Length} bytes of {format} do not fill the shape [{string.Join(", ", shape.ToArray())}]", nameof(bytes));
        if (!_names.Add(name)) throw new ArgumentException($"the tensor '{name}' was added before", nameof(name));
        _tensors.Add((name, format, shape.ToArray(), bytes.ToArray()));
    }

    /// <summary>Writes the file. It appears whole or not at all.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path)
    {
        using AtomicFile file = AtomicFile.Create(path);
        using (BinaryWriter writer = new(file.Stream, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write(GgufHeader.Magic);
            writer.Write(GgufHeader.Version);
            writer.Write((long)_tensors.Count);
            writer.Write((long)_metadata.Count);
            foreach ((string key, Action<BinaryWriter> write) in _metadata)
            {
                Write(writer, key);
                write(writer);
            }
            long offset = 0;
            foreach ((string name, TensorFormat format, long[] shape, byte[] bytes) in _tensors)
            {
                Write(writer, name);
                writer.Write(shape.Length);
                foreach (long dimension in shape) writer.Write(dimension);
                writer.Write(format.Id);
                writer.Write(offset);
                offset += bytes.Length + Padding(bytes.Length);
            }
            writer.Flush();
            writer.Write(new byte[Padding(file.Stream.Position)]);
            foreach ((_, _, _, byte[] bytes) in _tensors)
            {
                writer.Write(bytes);
                writer.Write(new byte[Padding(bytes.Length)]);
            }
        }
        file.Commit();
    }

    private static int Padding(long length) => (int)(-length & (GgufHeader.DefaultAlignment - 1));

    private static void Write(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((long)bytes.Length);
        writer.Write(bytes);
    }

    private void AddArray<T>(string key, GgufValueType type, IReadOnlyList<T> values, Action<BinaryWriter, T> write) =>
        AddValue(key, GgufValueType.Array, writer =>
        {
            writer.Write((uint)type);
            writer.Write((long)values.Count);
            foreach (T value in values) write(writer, value);
        });

    private void AddValue(string key, GgufValueType type, Action<BinaryWriter> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        if (_metadata.Exists(e => e.Key == key)) throw new ArgumentException($"the metadata '{key}' was added before", nameof(key));
        _metadata.Add((key, WriteTyped));

        void WriteTyped(BinaryWriter writer)
        {
            writer.Write((uint)type);
            write(writer);
        }
    }
}
