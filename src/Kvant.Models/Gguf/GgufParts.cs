using System.Globalization;
using Kvant.Formats;

namespace Kvant.Models.Gguf;

/// <summary>
/// The parts of a GGUF file, read as one: as llama.cpp's gguf-split writes them, the first has the metadata, and each has some of the tensors, its
/// number and how many there are.
/// </summary>
internal sealed class GgufParts : IDisposable
{
    private const string Number = "split.no", Count = "split.count", AllTensors = "split.tensors.count";

    // Five digits in a name.
    private const int Most = 99_999;

    private readonly List<MappedFile> _files = [];
    private readonly List<GgufHeader> _headers = [];

    private GgufParts(string path)
    {
        try
        {
            Add(path);
            int count = Whole(_headers[0], Count) ?? 1;
            if (count > 1) AddOthers(path, count);
            if (Whole(_headers[0], AllTensors) is { } wanted && wanted != Tensors.Count)
                throw new InvalidDataException($"{_files[0].Path}: {Tensors.Count} tensors found in {Math.Max(count, 1)} parts, {wanted} wanted; the parts are not of the same model");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal IReadOnlyList<string> Paths => [.. _files.Select(static f => f.Path)];

    internal Dictionary<string, GgufValue> Metadata => _headers[0].Metadata;

    internal Dictionary<string, GgufTensor> ByName => _headers[0].ByName;

    internal List<GgufTensor> Tensors => _headers[0].Tensors;

    internal static GgufParts Open(string path) => new(path);

    internal ReadOnlySpan<byte> Bytes(int part, long offset, int count) => _files[part].Bytes(offset, count);

    public void Dispose() => _files.ForEach(static f => f.Dispose());

    private void AddOthers(string path, int count)
    {
        GgufHeader given = _headers[0];
        int number = given.Metadata.TryGetValue(Number, out GgufValue? value) ? value.AsCount() : throw _files[0].InvalidData(0, $"the file is one of {count} parts and does not say which: '{Number}' is missing");
        if (count > Most) throw given.Metadata[Count].Refuse($"at most {Most} parts", $"{count}");
        if (number >= count) throw value.Refuse($"a number below the {count} parts, from 0 on", $"{number}");
        string name = Path.GetFileNameWithoutExtension(path), extension = Path.GetExtension(path), suffix = Suffix(number, count);
        if (!name.EndsWith(suffix, StringComparison.Ordinal))
            throw new InvalidDataException($"{path}: this is part {number + 1} of {count} of a model; the others can be found only if its name ends in {suffix}{extension}");
        string before = Path.Combine(Path.GetDirectoryName(path) ?? "", name[..^suffix.Length]);
        for (int i = 0; i < count; i++)
        {
            string part = before + Suffix(i, count) + extension;
            if (i == number) continue;
            if (!File.Exists(part)) throw new FileNotFoundException($"{path}: this is part {number + 1} of {count} of a model, and part {i + 1} is missing: {part}", part);
            Add(part);
            int foundNumber = Whole(_headers[^1], Number) ?? -1, foundCount = Whole(_headers[^1], Count) ?? 1;
            if ((foundNumber, foundCount) != (i, count)) throw new InvalidDataException($"{part}: part {i + 1} of {count} is wanted here, beside {path}; this says that it is part {foundNumber + 1} of {foundCount}");
        }
        // The given part was read first; its place may be elsewhere.
        Move(_files, number);
        Move(_headers, number);
        for (int i = 1; i < count; i++) Merge(i);
    }

    private void Merge(int part)
    {
        foreach ((string key, GgufValue value) in _headers[part].Metadata)
        {
            // What only a later part says would be heard by nobody.
            if (key is Number || (Metadata.TryGetValue(key, out GgufValue? first) && first.SaysTheSameAs(value))) continue;
            if (key is GgufHeader.AlignmentKey) continue;
            throw new InvalidDataException($"{_files[part].Path}: part {part + 1} says something about '{key}' that the first part does not");
        }
        foreach (GgufTensor tensor in _headers[part].Tensors)
        {
            if (!ByName.TryAdd(tensor.Name, tensor)) throw new InvalidDataException($"{_files[part].Path}: the tensor '{tensor.Name}' is in an earlier part, too");
            tensor.Part = part;
            Tensors.Add(tensor);
        }
    }

    private void Add(string path)
    {
        _files.Add(new MappedFile(path));
        _headers.Add(GgufHeader.Parse(_files[^1]));
    }

    private static int? Whole(GgufHeader header, string key) => header.Metadata.TryGetValue(key, out GgufValue? value) ? value.AsCount() : null;

    private static string Suffix(int number, int count) => string.Create(CultureInfo.InvariantCulture, $"-{number + 1:00000}-of-{count:00000}");

    private static void Move<T>(List<T> list, int to)
    {
        T first = list[0];
        list.RemoveAt(0);
        list.Insert(to, first);
    }
}
