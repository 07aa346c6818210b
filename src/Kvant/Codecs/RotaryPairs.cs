namespace Kvant.Codecs;

/// <summary>Which two channels a rotary embedding turns together.</summary>
public enum RotaryPairs
{
    /// <summary>Channel i and channel i + half of the turned ones (GPT-NeoX, Qwen, and llama as Hugging Face stores it).</summary>
    Halves,

    /// <summary>Channels 2i and 2i + 1 (llama as GGUF stores it).</summary>
    Neighbors,
}
