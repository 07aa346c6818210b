using Kvant.Cli.Output;
using Kvant.Conversations.Chunks;

namespace Kvant.Cli;

/// <summary>A chunk of a stored conversation in a file, whole and with right checksums.</summary>
/// <param name="Path">The file.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Header">What it says of itself.</param>
/// <param name="Recipe">How it was made, as pairs of texts.</param>
internal sealed record ChunkFile(string Path, long Bytes, ChunkHeader Header, IReadOnlyList<(string Key, string Value)> Recipe)
{
    /// <summary>What is shown of it.</summary>
    public static Column<ChunkFile>[] Fields(ChunkFile file) =>
    [
        Column<ChunkFile>.OfText("file", "file", f => f.Path),
        Column<ChunkFile>.OfInteger("fileBytes", "file bytes", f => f.Bytes),
        Column<ChunkFile>.OfText("checksums", "checksums", _ => "ok"),
        Column<ChunkFile>.OfText("key", "key", f => f.Header.Key.ToString()),
        Column<ChunkFile>.OfText("parent", "chunk before", f => f.Header.Parent == default ? "none" : f.Header.Parent.ToString()),
        Column<ChunkFile>.OfInteger("position", "first position", f => f.Header.Position),
        Column<ChunkFile>.OfInteger("tokens", "tokens", f => f.Header.Tokens.Length),
        Column<ChunkFile>.OfInteger("layers", "layers", f => f.Header.Layers.Length),
        Column<ChunkFile>.OfInteger("layerBytes", "bytes of keys and values", f => f.Header.Layers.Sum(layer => (long)layer.Bytes)),
        Column<ChunkFile>.OfInteger("headerBytes", "bytes of the header", f => f.Header.Bytes),
        .. file.Header.Named.Length == 0 ? [] : (Column<ChunkFile>[])[Column<ChunkFile>.OfText("sections", "sections", f => string.Join(", ", f.Header.Named.Select(named => $"{named.Name} ({named.Bytes})")))],
        Column<ChunkFile>.OfValue("recipe", "", _ => "", (json, f) =>
        {
            json.WriteStartObject();
            foreach ((string key, string value) in f.Recipe.DistinctBy(pair => pair.Key))
                json.WriteString(key, value);
            json.WriteEndObject();
        }),
        .. file.Recipe.Select(pair => Column<ChunkFile>.OfText("", Printable.Line(pair.Key), _ => pair.Value)),
        Column<ChunkFile>.OfValue("tokenIds", "", _ => "", (json, f) =>
        {
            json.WriteStartArray();
            foreach (int token in f.Header.Tokens)
                json.WriteNumberValue(token);
            json.WriteEndArray();
        }),
    ];

    /// <summary>Reads a file.</summary>
    /// <exception cref="InvalidDataException">It is no whole chunk.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ChunkFile Read(string path)
    {
        byte[] value = File.ReadAllBytes(path);
        if (ChunkHeader.Read(value, out ChunkHeader? header) is { } miss)
            throw new InvalidDataException(miss == ChunkMiss.OtherVersion ? $"{path}: the chunk is of another version of the format; {ChunkHeader.Version} is known" : $"{path}: the chunk is damaged");
        return new ChunkFile(path, value.Length, header!, ChunkRecipe.Read(header!.Recipe));
    }
}
