using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Kvant.Conversations.Chunks;
using Kvant.Conversations.Stores;
using Kvant.Formats;
using Kvant.Kernels;

namespace Kvant.Conversations.Tests.Stores;

/// <summary>Another process that puts chunks into a folder until it is killed: this assembly once more, which sees by its environment that it is not to run tests.</summary>
internal static class KilledWriter
{
    /// <summary>Moments within a put at which a writer may end itself.</summary>
    public const int Moments = 6;

    private const string FolderVariable = "KVANT_KILLED_WRITER_FOLDER";
    private const string MomentVariable = "KVANT_KILLED_WRITER_MOMENT";
    private const string SeedVariable = "KVANT_KILLED_WRITER_SEED";

    /// <summary>Starts a writer.</summary>
    /// <param name="folder">Where it writes.</param>
    /// <param name="seed">What it writes.</param>
    /// <param name="moment">After so many moments it ends itself; null to write until it is killed.</param>
    public static Process Start(string folder, int seed, int? moment)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "Kvant.Conversations.Tests" + (OperatingSystem.IsWindows() ? ".exe" : ""))) { RedirectStandardOutput = true };
        start.Environment[FolderVariable] = folder;
        start.Environment[SeedVariable] = seed.ToString(CultureInfo.InvariantCulture);
        start.Environment[MomentVariable] = (moment ?? int.MaxValue).ToString(CultureInfo.InvariantCulture);
        return Process.Start(start)!;
    }

    /// <summary>A whole chunk.</summary>
    public static (ChunkKey Key, byte[] Value) Chunk(Random random, int length)
    {
        byte[] key = new byte[ChunkKey.ByteLength], section = new byte[length];
        random.NextBytes(key);
        random.NextBytes(section);
        ChunkHeader header = new()
        {
            Key = new ChunkKey(key),
            Parent = default,
            Position = 0,
            Tokens = [1, 2, 3],
            State = new byte[ChunkHeader.StateBytes],
            Recipe = [],
            Layers = [],
            Named = [new("s", length, Crc32C.Compute(section))],
        };
        byte[] value = new byte[header.Bytes + length];
        header.Write(value);
        section.CopyTo(value, header.Bytes);
        return (header.Key, value);
    }

#pragma warning disable CA2255 // the only place that comes before the tests
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void WriteIfToldTo()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is not { } folder)
            return;
        int left = int.Parse(Environment.GetEnvironmentVariable(MomentVariable)!, CultureInfo.InvariantCulture);
        var random = new Random(int.Parse(Environment.GetEnvironmentVariable(SeedVariable)!, CultureInfo.InvariantCulture));
        // On this thread: another would wait for the initializer to end.
        var files = new DiskFolder(folder, path =>
        {
            Moment();
            AtomicFile file = AtomicFile.Create(
                path,
                handle =>
                {
                    Moment();
                    int error = LibC.FlushFile(handle);
                    Moment();
                    return error;
                },
                directory =>
                {
                    Moment();
                    int error = LibC.FlushDirectory(directory);
                    Moment();
                    return error;
                });
            Moment();
            return file;
        });
        while (true)
        {
            (ChunkKey key, byte[] value) = Chunk(random, random.Next(1 << 20));
            if (files.Write(key, value) != PutOutcome.Stored)
                Environment.Exit(1);
            Console.Out.WriteLine(key);
            Console.Out.Flush();
        }

        // SIGKILL: nothing is cleaned up.
        void Moment()
        {
            if (--left < 0)
                Process.GetCurrentProcess().Kill();
        }
    }
}
