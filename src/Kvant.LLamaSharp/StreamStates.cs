using System.Buffers.Binary;
using Kvant.LlamaCpp;
using Kvant.LlamaCpp.States;

namespace Kvant.LLamaSharp;

/// <summary>
/// The state of a context with several streams as states of its sequences, one for each stream. llama.cpp empties all streams as it reads each of them, as of <c>c0c7e147</c>: of such a context only the
/// last sequence would come back.
/// </summary>
internal static class StreamStates
{
    /// <summary>Whether a state has more than one stream with cells.</summary>
    public static bool AreSeveral(LlamaState state) => state.IsWhole && state.Parts.OfType<AttentionPart>().Any(part => part.Streams.Length > 1);

    /// <summary>The state of each stream that has cells, and the sequence that it is of.</summary>
    /// <exception cref="InvalidDataException">A stream holds other sequences than its own, or recurrent layers say nothing of streams.</exception>
    public static IEnumerable<(int Sequence, NativeBuffer Buffer)> Of(LlamaState whole)
    {
        AttentionPart[] parts = [.. whole.Parts.OfType<AttentionPart>()];
        if (parts.Length < whole.Parts.Count)
            throw new InvalidDataException("the state of a context with several streams and recurrent layers; save its sequences one by one");
        for (int s = 0; s < parts[0].Streams.Length; s++)
        {
            int[] owners = [.. parts.SelectMany(part => part.Streams[s].Cells.Sets).SelectMany(set => set).Distinct()];
            if (owners.Length == 0)
                continue;
            // A number that a context does not have ends the process, and of one that is there twice the second would replace the first.
            if (owners is not [var owner] || owner != s)
                throw new InvalidDataException($"stream {s} holds {(owners.Length == 1 ? "sequence" : "the sequences")} {string.Join(", ", owners)}; sequence {s} is possible");
            yield return (s, Write(whole, parts, s, s));
        }
    }

    private static NativeBuffer Write(LlamaState whole, AttentionPart[] parts, int index, int sequence)
    {
        long length = 2 * sizeof(int);
        AttentionPart[] placed = Array.ConvertAll(parts, part =>
        {
            bool isEmpty = part.Streams[index].Cells.Count == 0;
            AttentionPart own = (part with { Layers = isEmpty ? [] : part.Layers, Streams = [part.Streams[index], .. Enumerable.Range(1, part.Streams.Length - 1).Select(_ => new StreamPart(new CellTable(), [], []))] }).At(length);
            length += own.StateBytes;
            return own;
        });
        var buffer = new NativeBuffer(length);
        using UnmanagedMemoryStream stream = buffer.Open();
        byte[] head = new byte[2 * sizeof(int)];
        BinaryPrimitives.WriteUInt32LittleEndian(head, LlamaState.SequenceMagic);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(sizeof(int)), sequence);
        stream.Write(head);
        long at = head.Length;
        foreach ((AttentionPart from, AttentionPart to) in parts.Zip(placed))
        {
            to.WriteOutline(stream, 0, at, sequence);
            at += to.StateBytes;
            for (int layer = 0; layer < to.Layers.Length; layer++)
            {
                int cells = to.Streams[0].Cells.Count;
                Copy(from.Streams[index].KeyOffsets[layer], to.Streams[0].KeyOffsets[layer], cells * to.Layers[layer].KeyBytes);
                Copy(from.Streams[index].ValueOffsets[layer], to.Streams[0].ValueOffsets[layer], cells * to.Layers[layer].ValueBytes);
            }
        }

        return buffer;

        void Copy(long source, long destination, long bytes)
        {
            byte[] rows = new byte[bytes];
            whole.Reader.Read(source, rows);
            stream.Position = destination;
            stream.Write(rows);
        }
    }
}
