using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;

namespace Kvant.Fuzz.Targets;

/// <summary>Vocabularies of both kinds: text becomes tokens and text again.</summary>
internal static class TokenizerTarget
{
    internal static FuzzTarget Target { get; } = new(
        "tokenizer", static () => [GgufSample.Build(GgufSample.AddBytePairs), GgufSample.Build(GgufSample.AddPieces)], Read, static e => e is InvalidDataException);

    private static void Read(FuzzInput input)
    {
        using GgufFile file = GgufFile.Open(input.Path);
        Tokenizer tokenizer = Tokenizer.Read(file);
        int[] tokens = tokenizer.Encode("ab abab <|im_start|>\u00e9 12", parseSpecial: true);
        tokenizer.Decode(tokens, showSpecial: true);
    }
}
