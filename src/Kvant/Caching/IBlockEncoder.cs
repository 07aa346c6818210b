using Kvant.Codecs;

namespace Kvant.Caching;

/// <summary>Encodes blocks that leave a layer's window somewhere else than on the processor, such as a device. The bytes are those of the codecs.</summary>
internal interface IBlockEncoder
{
    /// <summary>Encodes blocks of the newest step, one side of all heads, into their places (<see cref="LayerMemory.Body"/>).</summary>
    /// <param name="layer">The layer, as it was before the call, with all pages in place.</param>
    /// <param name="side">0 for keys, 1 for values.</param>
    /// <param name="first">The first row of the first block.</param>
    /// <param name="end">The row behind the last.</param>
    /// <param name="chosen">What the codecs chose in this call, [step][side][head]; null if the layer has them.</param>
    /// <param name="rounded">New rows as the window stores them, [row, head].</param>
    /// <param name="roundedFrom">The first of those; the window has all before it.</param>
    /// <returns>Whether it did; if not, nothing was written and the processor does.</returns>
    /// <exception cref="ArgumentException">A codec refuses a block.</exception>
    bool TryEncode(LayerMemory layer, int side, int first, int end, Codec[][][]? chosen, ReadOnlySpan<byte> rounded, int roundedFrom);
}
