using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Kvant.Formats;

namespace Kvant.Cli.Pulling;

/// <summary>
/// Brings a file from a server to its place, whole or not at all. What has come lies in a hidden file beside, named after what it is a part of, so that the next pull goes on there and a file that
/// changed on the server begins anew. Connections that break are taken up again by themselves.
/// </summary>
/// <param name="server">Where files come from.</param>
internal sealed class Download(ModelServer server)
{
    private const int DiskFull = 28, QuotaExceeded = 122, DiskFullOnWindows = unchecked((int)0x80070070), BufferBytes = 1 << 17, FewestBytes = 4;

    /// <summary>Failures in a row, without a byte between them, after which it is given up.</summary>
    public int Patience { get; init; } = 5;

    /// <summary>How long to wait behind the first failure; twice as long behind each further one.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a connection may be silent.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Free bytes where a folder is; tests replace it.</summary>
    public Func<string, long> FreeBytes { get; init; } = static folder => new DriveInfo(folder).AvailableFreeSpace;

    /// <summary>What is written to; tests put a full disk there.</summary>
    public Func<Stream, Stream> Disk { get; init; } = static stream => stream;

    /// <summary>Pulls a file.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="path">Where it goes.</param>
    /// <param name="sha256">What it must be, in small letters; null for what the server says.</param>
    /// <param name="progress">Is told bytes and, where it is known, of how many.</param>
    /// <param name="cancellation">Ends it; what has come stays for the next.</param>
    /// <exception cref="PullException">It cannot be had; the message says why.</exception>
    public async Task<PulledFile> RunAsync(Uri address, string path, string? sha256, Action<long, long?> progress, CancellationToken cancellation)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using PullLock mine = PullLock.Take(path);
        if (File.Exists(path))
            return await ThereAsync(path, sha256, cancellation).ConfigureAwait(false);
        var state = new State(address, path, sha256, progress);
        for (int failures = 0; ;)
        {
            long before = state.Bytes;
            try
            {
                return await TryAsync(state, cancellation).ConfigureAwait(false);
            }
            catch (PullException) when (state.IsRefused)
            {
                File.Delete(state.Part);
                throw;
            }
            catch (Exception e) when (IsOfNetwork(e) && !cancellation.IsCancellationRequested)
            {
                failures = state.Bytes > before ? 1 : failures + 1;
                // A name that nobody knows will not be known in a second.
                if (failures >= Patience || e is HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError })
                    throw new PullException($"{address}: {Failures.Sentence(e is OperationCanceledException ? new TimeoutException($"no byte came for {Silence.TotalSeconds} seconds") : e)}; {state.Kept}", e);
                await Task.Delay(Pause * (1 << (failures - 1)), cancellation).ConfigureAwait(false);
            }
        }
    }

    private async Task<PulledFile> TryAsync(State state, CancellationToken cancellation)
    {
        RemoteAnswer answer = await server.GetAsync(state.Address, 0, null, cancellation).ConfigureAwait(false);
        try
        {
            RemoteFile remote = answer.File;
            state.Know(remote);
            long have = state.BytesThere();
            if (have > 0 && have != remote.Size)
            {
                answer.Dispose();
                answer = await server.GetAsync(state.Address, have, remote.Tag, cancellation).ConfigureAwait(false);
                // A server may send all of it, whatever it is asked for.
                have = answer.From == have && answer.File.Identity == remote.Identity ? have : 0;
            }

            string folder = Path.GetDirectoryName(state.Path)!;
            if (remote.Size - have is { } wanted && FreeBytes(folder) is var free && free < wanted)
                throw new PullException($"the disk is too full: {wanted} bytes are to come, {free} are free in '{folder}'");
            using AtomicFile file = AtomicFile.Continue(state.Path, state.Part);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            file.Stream.SetLength(have);
            await HashAsync(file.Stream, hash, cancellation).ConfigureAwait(false);
            state.Come(have);
            if (have != remote.Size)
                await CopyAsync(await answer.Response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false), file.Stream, hash, state, cancellation).ConfigureAwait(false);
            return Finish(file, state, Convert.ToHexStringLower(hash.GetCurrentHash()));
        }
        finally
        {
            answer.Dispose();
        }
    }

    private async Task CopyAsync(Stream from, Stream to, IncrementalHash hash, State state, CancellationToken cancellation)
    {
        byte[] buffer = new byte[BufferBytes];
        Stream disk = Disk(to);
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        while (true)
        {
            silence.CancelAfter(Silence);
            int count = await from.ReadAsync(buffer, silence.Token).ConfigureAwait(false);
            if (count == 0)
                break;
            if (state.Size is { } size && state.Bytes + count > size)
                throw state.Refuse($"the server sends more than the {size} bytes that the file has");
            if (state.Bytes == 0 && count >= FewestBytes)
                RequireGguf(buffer, state);
            try
            {
                await disk.WriteAsync(buffer.AsMemory(0, count), cancellation).ConfigureAwait(false);
                // What has come is in the file, not in a buffer that ends with the process.
                await disk.FlushAsync(cancellation).ConfigureAwait(false);
            }
            catch (IOException e) when (e.HResult is DiskFull or QuotaExceeded or DiskFullOnWindows)
            {
                throw new PullException($"the disk is full; make room, and {state.Kept}", e);
            }

            hash.AppendData(buffer, 0, count);
            state.Come(state.Bytes + count);
        }

        if (state.Size is { } all && state.Bytes < all)
            throw new HttpRequestException($"the connection broke off at {state.Bytes} of {all} bytes");
    }

    private static PulledFile Finish(AtomicFile file, State state, string sha256)
    {
        if (state.Wanted is { } wanted && wanted != sha256)
            throw state.Refuse($"the file has the SHA-256 {sha256}, wanted is {wanted}");
        file.Stream.Position = 0;
        Span<byte> head = stackalloc byte[FewestBytes];
        file.Stream.ReadAtLeast(head, FewestBytes, throwOnEndOfStream: false);
        RequireGguf(head, state);
        file.Commit();
        state.RemoveOtherParts();
        return new PulledFile(state.Path, state.Bytes, sha256, state.Wanted is not null, true);
    }

    // A page that says "log in", for example.
    private static void RequireGguf(ReadOnlySpan<byte> head, State state)
    {
        if (!head.StartsWith("GGUF"u8))
            throw state.Refuse($"what the server sends is no GGUF file: it begins with '{Encoding.Latin1.GetString(head[..FewestBytes]).Trim('\0')}'");
    }

    private static async Task<PulledFile> ThereAsync(string path, string? wanted, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using FileStream stream = File.OpenRead(path);
        // Reading gigabytes again is worth it only where there is something to compare them with.
        if (wanted is not null)
            await HashAsync(stream, hash, cancellation).ConfigureAwait(false);
        string? found = wanted is null ? null : Convert.ToHexStringLower(hash.GetCurrentHash());
        return found == wanted ? new PulledFile(path, stream.Length, found, wanted is not null, false)
            : throw new PullException($"'{path}' is there and has the SHA-256 {found}, wanted is {wanted}; remove it, and pull again");
    }

    private static async Task HashAsync(Stream stream, IncrementalHash hash, CancellationToken cancellation)
    {
        byte[] buffer = new byte[BufferBytes];
        stream.Position = 0;
        for (int count; (count = await stream.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0;)
            hash.AppendData(buffer, 0, count);
    }

    private static bool IsOfNetwork(Exception e) => e is HttpRequestException or HttpIOException or OperationCanceledException or IOException { InnerException: SocketException };

    // One file on its way.
    private sealed class State(Uri address, string path, string? given, Action<long, long?> progress)
    {
        public Uri Address => address;

        public string Path => path;

        public string? Wanted { get; private set; }

        public long? Size { get; private set; }

        public long Bytes { get; private set; }

        public string Part { get; private set; } = "";

        private bool CanGoOn { get; set; }

        public string Kept => !CanGoOn ? "pull again" : $"pull again to go on: {Bytes} {(Size is { } size ? $"of {size} " : "")}bytes are in '{Part}'";

        private string Folder => System.IO.Path.GetDirectoryName(path)!;

        private string Prefix => $".{System.IO.Path.GetFileName(path)}.";

        public void Know(RemoteFile remote)
        {
            if (given is not null && remote.Sha256 is { } said && said != given)
                throw new PullException($"{address}: the server says that the file has the SHA-256 {said}, wanted is {given}; nothing was pulled");
            (Wanted, Size, CanGoOn) = (given ?? remote.Sha256, remote.Size, remote.Identity is not null);
            string of = remote.Identity is { } identity ? Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)))[..16] : "unknown";
            Part = System.IO.Path.Combine(Folder, $"{Prefix}{of}.part");
        }

        // Of what nobody knows what it is a part of, nothing can be used.
        public long BytesThere() => CanGoOn && File.Exists(Part) && new FileInfo(Part).Length is var there && !(there > Size) ? there : 0;

        public void Come(long bytes)
        {
            Bytes = bytes;
            progress(bytes, Size);
        }

        /// <summary>Whether what has come is good for nothing.</summary>
        public bool IsRefused { get; private set; }

        public PullException Refuse(string why)
        {
            IsRefused = true;
            return new PullException($"{address}: {why}; nothing was kept");
        }

        // Those of what the file was before it changed on the server.
        public void RemoveOtherParts()
        {
            foreach (string part in Directory.EnumerateFiles(Folder, $"{Prefix}*.part", new EnumerationOptions { AttributesToSkip = 0 }))
                File.Delete(part);
        }
    }
}
