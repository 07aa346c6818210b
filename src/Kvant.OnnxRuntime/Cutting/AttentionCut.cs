namespace Kvant.OnnxRuntime.Cutting;

/// <summary>Where the attention of a layer is in a graph, and how it is computed there.</summary>
internal sealed record AttentionCut
{
    public required int Layer { get; init; }

    /// <summary>The values that go in: queries, keys and values of the new tokens, those two empty where the first holds all three.</summary>
    public required string Queries { get; init; }

    public required string Keys { get; init; }

    public required string Values { get; init; }

    /// <summary>The value that comes out.</summary>
    public required string Output { get; init; }

    /// <summary>The type of the queries where products meet them.</summary>
    public int QueryType { get; init; }

    /// <summary>The type of what comes out.</summary>
    public required int OutputType { get; init; }

    /// <summary>Whether heads stand before tokens, [batch, head, token, number]; else [batch, token, head x number].</summary>
    public required bool HeadsFirst { get; init; }

    /// <summary>Heads that ask; 0 where only running the model tells.</summary>
    public int QueryHeads { get; init; }

    /// <summary>The factor of scores; null for that of the root of the dimension.</summary>
    public float? Scale { get; init; }

    /// <summary>The soft limit of scores; 0 for none.</summary>
    public float SoftCap { get; init; }

    /// <summary>Tables of how positions turn queries and keys; empty where they are turned before.</summary>
    public string Cosines { get; init; } = "";

    public string Sines { get; init; } = "";

    /// <summary>Whether neighboring numbers are turned together; else those half a head apart.</summary>
    public bool Interleaved { get; init; }

    /// <summary>Whether the graph's own operations compute it, so that what they do is found by running them.</summary>
    public bool IsPlain => HeadsFirst;

    /// <summary>Whether the graph's operation turns queries and keys.</summary>
    public bool Turns => Cosines.Length > 0;

    /// <summary>Whether queries, keys and values come as one.</summary>
    public bool IsPacked => Keys.Length == 0;
}
