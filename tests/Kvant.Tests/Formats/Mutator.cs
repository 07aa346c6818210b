namespace Kvant.Tests.Formats;

/// <summary>Damages files at random.</summary>
internal static class Mutator
{
    // What numbers, JSON and Python literals are made of: changes to these reach further into a parser.
    private static ReadOnlySpan<byte> Telling => "0123456789\"'{}[]():,-. \0"u8;

    /// <summary>A copy of a file with one to four changes.</summary>
    internal static byte[] Mutant(byte[] valid, Random random)
    {
        List<byte> bytes = [.. valid];
        int changes = random.Next(1, 5);
        for (int change = 0; change < changes && bytes.Count > 0; change++)
        {
            // Mostly in the first bytes, where the lengths and the header are.
            int position = random.Next(random.Next(2) == 0 ? Math.Min(bytes.Count, 400) : bytes.Count);
            int count = Math.Min(random.Next(1, 24), bytes.Count - position);
            switch (random.Next(6))
            {
                case 0:
                    bytes[position] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(position, count);
                    break;
                case 2:
                    bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(position, count));
                    break;
                case 3:
                    bytes[position] = Telling[random.Next(Telling.Length)];
                    break;
                case 4:
                    for (int i = 0; i < count; i++) bytes[position + i] = 0xff;
                    break;
                default:
                    bytes.RemoveRange(position, bytes.Count - position);
                    break;
            }
        }
        return [.. bytes];
    }
}
