namespace Kvant.Models.Formats;

/// <summary>What defines a format: its constants and how a run of its blocks becomes numbers. Written once, for every use of the numbers.</summary>
internal interface IStoredFormat
{
    static abstract uint Id { get; }

    static abstract string Name { get; }

    static abstract int BlockLength { get; }

    static abstract int BlockBytes { get; }

    /// <summary>Hands the numbers of whole blocks to the sink, in order.</summary>
    static abstract void Read<TSink>(ReadOnlySpan<byte> blocks, ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct;
}
