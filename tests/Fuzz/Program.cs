using System.Globalization;
using Kvant.Fuzz;
using SharpFuzz;

// docs/testing.md says how; `.ci/run` makes a short run.
FuzzOptions options;
try
{
    options = FuzzOptions.Parse(args);
}
catch (FormatException wrong)
{
    Console.Error.WriteLine($"fuzz: {wrong.Message}");
    return 2;
}

FuzzTarget target = options.Targets[0];
switch (options.Mode)
{
    case FuzzMode.Corpus:
        Directory.CreateDirectory(options.Folder);
        foreach ((int i, byte[] valid) in target.Corpus().Index())
            File.WriteAllBytes(Path.Combine(options.Folder, string.Create(CultureInfo.InvariantCulture, $"{target.Name}-{i}")), valid);
        return 0;
    case FuzzMode.File:
        var input = FuzzInput.Write(Path.GetTempFileName(), File.ReadAllBytes(options.Folder));
        string? found = target.Try(input, out bool accepted);
        input.Delete();
        Console.WriteLine(found ?? (accepted ? "accepted" : "refused"));
        return found is null ? 0 : 1;
    case FuzzMode.Afl:
        // One file for each process: afl++ runs several.
        string path = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"kvant-fuzz-{Environment.ProcessId}"));
        Fuzzer.OutOfProcess.Run(stream =>
        {
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            if (target.Try(FuzzInput.Write(path, bytes.ToArray()), out _) is { } finding)
                throw new InvalidOperationException(finding);
        });
        new FuzzInput([], path).Delete();
        return 0;
    default:
        int findings = options.Targets.Sum(t => FuzzLoop.Run(t, options.Count, options.Seed, options.Folder, Console.Out));
        return findings == 0 ? 0 : 1;
}
