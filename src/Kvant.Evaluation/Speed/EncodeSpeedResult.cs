namespace Kvant.Evaluation.Speed;

/// <summary>How fast a pair of codecs encodes, and how fast a cache that uses it takes tokens.</summary>
internal sealed record EncodeSpeedResult
{
    /// <summary>The specs in short, or the name of the policy.</summary>
    public required string Codec { get; init; }

    /// <summary>Numbers in a row.</summary>
    public required int Dimension { get; init; }

    /// <summary>Nanoseconds that one thread takes for a row, the mean of a key and a value.</summary>
    public required double NsPerRow { get; init; }

    /// <summary>Million rows in a second.</summary>
    public double MillionPerSecond => 1e3 / NsPerRow;

    /// <summary>How many times longer than a plain copy of the row.</summary>
    public required double RatioToCopy { get; init; }

    /// <summary>How many times longer than rotating the row (random signs and Hadamard) without coding it.</summary>
    public required double RatioToRotation { get; init; }

    /// <summary>Energy of the error of the decoded rows over energy of the rows, the mean of keys and values.</summary>
    public required double Nmse { get; init; }

    /// <summary>Mean microseconds of appending one token to a layer, keys and values of all heads. Each append's time is its median over
    /// the rounds, so that an interruption of the process does not count.</summary>
    public required double AppendMicroseconds { get; init; }

    /// <summary>Median microseconds of the appends that close blocks; 0 if none did.</summary>
    public required double ClosingAppendMicroseconds { get; init; }

    /// <summary>Microseconds of the slowest append.</summary>
    public required double SlowestAppendMicroseconds { get; init; }

    /// <summary>Bytes of managed memory that an append allocates.</summary>
    public required double AllocatedPerAppend { get; init; }
}
