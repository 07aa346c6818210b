namespace Kvant.Models.Tokenizers;

/// <summary>
/// The tokens that end what a model says, known by their texts: files of chat models often name only one of their ends, and convert others as if they
/// were text. The texts are those of llama.cpp, which also makes them control tokens whatever the file says.
/// </summary>
internal static class KnownEnds
{
    private static readonly string[] s_ends =
    [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>",
        "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<\uff5cend\u2581of\u2581sentence\uff5c>", "[e~[",
    ];

    // What a model says behind text that it filled in: by the key that may name it, else the first of these texts.
    private static readonly (string Key, string[] Texts)[] s_filled =
    [
        ("fim_pad_token_id", ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"]),
        ("fim_rep_token_id", ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"]),
        ("fim_sep_token_id", ["<|file_sep|>"]),
    ];

    /// <summary>All ends of a vocabulary.</summary>
    internal static HashSet<int> Of(Vocabulary vocabulary)
    {
        HashSet<int> ends = [.. ByText(vocabulary)];
        foreach (int? named in (ReadOnlySpan<int?>)[vocabulary.End, vocabulary.Token("eot_token_id"), vocabulary.Token("eom_token_id"), .. s_filled.Select(f => vocabulary.Token(f.Key))])
        {
            if (named is { } token) ends.Add(token);
        }
        return ends;
    }

    /// <summary>The kinds of all tokens, ends known by their texts as control tokens.</summary>
    internal static int[]? MakeControl(Vocabulary vocabulary, int[]? kinds)
    {
        foreach (int token in ByText(vocabulary))
        {
            if (kinds is null) Array.Fill(kinds = new int[vocabulary.Count], (int)TokenKind.Normal);
            kinds[token] = (int)TokenKind.Control;
        }
        return kinds;
    }

    private static IEnumerable<int> ByText(Vocabulary vocabulary)
    {
        foreach (string text in s_ends)
        {
            if (vocabulary.TryFind(text, out int token)) yield return token;
        }
        foreach ((string key, string[] texts) in s_filled)
        {
            if (vocabulary.Token(key) is null && texts.FirstOrDefault(t => vocabulary.TryFind(t, out _)) is { } text && vocabulary.TryFind(text, out int token)) yield return token;
        }
    }
}
