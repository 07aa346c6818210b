namespace Kvant.Models.Tokenizers;

/// <summary>GPT-2's way to write bytes as visible characters: those that are visible in Latin-1 stand for themselves, the others
/// follow from U+0100 on in order.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] s_characters = Build();
    private static readonly Dictionary<char, byte> s_bytes = Enumerable.Range(0, 256).ToDictionary(static b => s_characters[b], static b => (byte)b);

    internal static char Character(byte value) => s_characters[value];

    internal static bool TryByte(char character, out byte value) => s_bytes.TryGetValue(character, out value);

    private static char[] Build()
    {
        char[] characters = new char[256];
        int next = 256;
        for (int value = 0; value < 256; value++)
        {
            bool visible = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            characters[value] = (char)(visible ? value : next++);
        }
        return characters;
    }
}
