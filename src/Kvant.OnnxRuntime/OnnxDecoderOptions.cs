using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime;

/// <summary>How a decoder of ONNX Runtime runs.</summary>
public sealed record OnnxDecoderOptions
{
    private readonly int _threads = Environment.ProcessorCount;
    private readonly int _chunk = 256;

    /// <summary>Threads that encode, decode and attend, the calling one counted, at least 1; as many as there are processors unless said. ONNX Runtime's own are its session's matter.</summary>
    public int Threads { get => _threads; init => _threads = AtLeastOne(value, nameof(Threads)); }

    /// <summary>Tokens of a prompt that go through the model together, at least 1; 256 unless said.</summary>
    public int Chunk { get => _chunk; init => _chunk = AtLeastOne(value, nameof(Chunk)); }

    /// <summary>Changes the options of the session that is opened: threads, providers, optimizations. Null for ONNX Runtime's own.</summary>
    public Action<SessionOptions>? Session { get; init; }

    private static int AtLeastOne(int value, string name) => value >= 1 ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; at least 1 is wanted.");
}
