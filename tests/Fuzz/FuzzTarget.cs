namespace Kvant.Fuzz;

/// <summary>
/// A reader under attack. It may accept bytes or refuse them with the exceptions that it documents; anything else is a finding.
/// </summary>
/// <param name="Name">How the command line calls it.</param>
/// <param name="Corpus">Valid inputs, made by the library's own writers, from which mutants are made.</param>
/// <param name="Read">Reads an input and uses what came of it; refusals are the reader's own.</param>
/// <param name="IsRefusal">Whether the reader documents this exception.</param>
internal sealed record FuzzTarget(string Name, Func<byte[][]> Corpus, Action<FuzzInput> Read, Predicate<Exception> IsRefusal)
{
    /// <summary>Managed bytes that one input may make a target allocate, beside <see cref="AllocatedPerByte"/>.</summary>
    internal long AllocatedAtMost { get; init; } = 1 << 20;

    /// <summary>And so many for each byte of the input.</summary>
    internal long AllocatedPerByte { get; init; } = 64;

    /// <summary>Tries one input.</summary>
    /// <param name="input">The input.</param>
    /// <param name="accepted">Whether the reader took it.</param>
    /// <returns>What is wrong, or null.</returns>
    internal string? Try(FuzzInput input, out bool accepted)
    {
        accepted = false;
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            Read(input);
            accepted = true;
        }
        catch (Exception refusal) when (IsRefusal(refusal))
        {
            // As good.
        }
#pragma warning disable CA1031 // whatever else comes out is what we are here for
        catch (Exception finding)
#pragma warning restore CA1031
        {
            return finding.ToString();
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before, allowed = AllocatedAtMost + (AllocatedPerByte * input.Bytes.Length);
        return allocated > allowed ? $"{allocated} bytes allocated for an input of {input.Bytes.Length}; {allowed} are allowed" : null;
    }
}
