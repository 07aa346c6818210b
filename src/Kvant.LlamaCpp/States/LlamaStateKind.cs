namespace Kvant.LlamaCpp;

/// <summary>What llama.cpp wrote a state as.</summary>
public enum LlamaStateKind
{
    /// <summary>One sequence in memory: what <c>llama_state_seq_get_data</c> gives, and LLamaSharp's <c>SaveState</c> of a sequence writes.</summary>
    Sequence,

    /// <summary>One sequence in a file, with its tokens: what <c>llama_state_seq_save_file</c> and <c>llama-server --slot-save-path</c> write (<c>ggsq</c>, version 2).</summary>
    SequenceFile,

    /// <summary>A whole context in memory: what <c>llama_state_get_data</c> gives, and LLamaSharp's <c>SaveState</c> writes.</summary>
    Context,

    /// <summary>A whole context in a file, with its tokens: what <c>llama_state_save_file</c> and <c>--prompt-cache</c> write (<c>ggsn</c>, version 9).</summary>
    SessionFile,
}
