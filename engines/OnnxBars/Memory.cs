using System.Diagnostics;
using System.Globalization;

namespace OnnxBars;

/// <summary>What a process holds more with a long past than with none, each way in a process of its own.</summary>
internal static class Memory
{
    /// <summary>Starts a process for each way.</summary>
    public static void Run(string model, int tokens, string policy)
    {
        foreach (string way in new[] { "plain", "past", "layers", "cut" })
        {
            using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal) ? new[] { typeof(Memory).Assembly.Location } : [], "hold", way, model, tokens.ToString(CultureInfo.InvariantCulture), policy]))!;
            process.WaitForExit();
        }
    }

    /// <summary>Measures this process.</summary>
    public static void Hold(string name, string model, int tokens, string policy)
    {
        using var way = new Way(name, model, policy);
        for (int i = 0; i < 4; i++)
            way.Forward(i);
        long before = Resident();
        way.Fill(tokens - 16);
        for (int i = 0; i < 16; i++)
            way.Forward(i);
        long after = Resident(), peak = 0;
        // While a step runs there is more.
        using (var watch = new Timer(_ => peak = Math.Max(peak, Status("VmRSS")), null, 0, 1))
        {
            for (int i = 0; i < 8; i++)
                way.Forward(i);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}, {policy}, {tokens} tokens: past {way.PastBytes / 1e6:F1} MB; the process holds {(after - before) / 1e6:F1} MB more than without, {(Math.Max(peak, after) - before) / 1e6:F1} MB in the middle of a step"));
    }

    private static long Resident()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return Status("VmRSS");
    }

    private static long Status(string name) => 1024 * long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture);
}
