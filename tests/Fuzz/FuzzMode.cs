namespace Kvant.Fuzz;

/// <summary>What the program does with a target.</summary>
internal enum FuzzMode
{
    /// <summary>Seeded mutants in this process.</summary>
    Loop,

    /// <summary>Writes the corpus as files, for afl++.</summary>
    Corpus,

    /// <summary>Reads one file, such as a finding.</summary>
    File,

    /// <summary>Runs below afl++.</summary>
    Afl,
}
