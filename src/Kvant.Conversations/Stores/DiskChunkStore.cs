using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Formats;

namespace Kvant.Conversations.Stores;

/// <summary>
/// Chunks as files of one folder, which any number of processes may share: no service to start. A file appears whole or not at all, and is on the disk
/// when it does; what was used longest ago is removed once there is more than a limit, but never a chunk whose successor is there. Before that it may be coded again to fewer bits.
/// </summary>
/// <remarks>
/// <para><c>FOLDER/ab/cd/KEY.chunk</c>, by the first two bytes of the key. A file's time of change is that of its last use. Nothing else is stored, so a folder can be copied, cut down by hand and put back together.</para>
/// <para>The limit is kept by each process by what it knows: those that write to one folder at once may pass it by what the others wrote since they last counted.</para>
/// </remarks>
public sealed class DiskChunkStore : IChunkStore
{
    // Puts are written in the background, and whoever waits for one waits some seconds at most.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private readonly DiskFolder _folder;
    private readonly DiskEviction _eviction;

    /// <summary>A store in a folder.</summary>
    /// <param name="folder">Made if it is not there.</param>
    /// <param name="sizeLimit">The most bytes that files may have, at least 0; no limit unless said.</param>
    /// <param name="recodeTo">What chunks are coded again to before any is removed (<see cref="Recode"/>): of the half that was used longest ago as many as a put needs, for two seconds at most. Null for nothing of the kind.</param>
    /// <exception cref="IOException">The folder cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be made.</exception>
    public DiskChunkStore(string folder, long sizeLimit = long.MaxValue, LayerSpecs? recodeTo = null)
        : this(folder, sizeLimit, static path => AtomicFile.Create(path), recodeTo, s_patience)
    {
    }

    /// <summary>As above, with other files and more patience: tests let files fail, and run on slow machines.</summary>
    internal DiskChunkStore(string folder, long sizeLimit, Func<string, AtomicFile> create, LayerSpecs? recodeTo = null, TimeSpan patience = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentOutOfRangeException.ThrowIfNegative(sizeLimit);
        Folder = Path.GetFullPath(folder);
        (SizeLimit, RecodeTo) = (sizeLimit, recodeTo);
        Directory.CreateDirectory(Folder);
        _folder = new DiskFolder(Folder, create);
        _eviction = new DiskEviction(_folder, sizeLimit, recodeTo is null ? null : new DiskRecoding(_folder, recodeTo.Oldest), patience);
    }

    /// <summary>The folder, as a full path.</summary>
    public string Folder { get; }

    /// <summary>The most bytes that files may have.</summary>
    public long SizeLimit { get; }

    /// <summary>What chunks are coded again to before any is removed; null for nothing of the kind.</summary>
    public LayerSpecs? RecodeTo { get; }

    /// <inheritdoc/>
    public int LargestValue => (int)Math.Min(SizeLimit, Array.MaxLength);

    /// <inheritdoc/>
    public Task<bool[]> ContainsAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return RunAsync(() =>
        {
            bool[] found = new bool[keys.Count];
            for (int i = 0; i < found.Length; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                found[i] = File.Exists(_folder.PathOf(keys[i]));
            }

            return found;
        }, cancellation);
    }

    /// <inheritdoc/>
    public Task<ChunkAnswer[]> GetAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<Memory<byte>> destinations, CancellationToken cancellation = default)
    {
        SameCount.Require(keys, destinations, nameof(destinations));
        return RunAsync(() =>
        {
            var answers = new ChunkAnswer[keys.Count];
            for (int i = 0; i < answers.Length; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                answers[i] = _folder.Read(keys[i], destinations[i].Span);
            }

            return answers;
        }, cancellation);
    }

    /// <inheritdoc/>
    public Task<PutOutcome[]> PutAsync(IReadOnlyList<ChunkKey> keys, IReadOnlyList<ReadOnlyMemory<byte>> values, CancellationToken cancellation = default)
    {
        SameCount.Require(keys, values, nameof(values));
        return RunAsync(() =>
        {
            var outcomes = new PutOutcome[keys.Count];
            for (int i = 0; i < outcomes.Length; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                outcomes[i] = values[i].Length > LargestValue ? PutOutcome.TooLong : !_eviction.MakeRoom(values[i].Length) ? PutOutcome.NoRoom : _folder.Write(keys[i], values[i].Span);
            }

            return outcomes;
        }, cancellation);
    }

    /// <inheritdoc/>
    public Task RemoveAsync(IReadOnlyList<ChunkKey> keys, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return RunAsync(() =>
        {
            foreach (ChunkKey key in keys)
                DiskFolder.Remove(_folder.PathOf(key));
            return true;
        }, cancellation);
    }

    /// <summary>Reads every chunk and compares its checksums and its name. Nothing is changed.</summary>
    /// <param name="cancellation">Stops between files.</param>
    /// <returns>How many files and bytes there are, and which are no whole chunks, with the reason.</returns>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be read.</exception>
    public DiskReport Verify(CancellationToken cancellation = default) => DiskCleaning.Verify(_folder, cancellation);

    /// <summary>Removes what is of no use: files that are no whole chunks, chunks whose predecessor is gone, and what was begun more than an hour ago and never finished; then, by last use, what is above the limit, once it is in as few bits as <see cref="RecodeTo"/> makes it.</summary>
    /// <param name="cancellation">Stops between files.</param>
    /// <returns>How many files and bytes are left, and which were removed, with the reason.</returns>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be read.</exception>
    public DiskReport CollectGarbage(CancellationToken cancellation = default)
    {
        DiskReport report = DiskCleaning.Collect(_folder, cancellation);
        int evicted = _eviction.Trim();
        if (evicted == 0)
            return report;
        DiskReport left = DiskCleaning.Count(_folder);
        return left with { Problems = report.Problems, Evicted = evicted };
    }

    /// <summary>Codes chunks again to fewer bits, in their places and under their keys, so that they are found as before. It takes no model: all that is needed stands in the chunks. It costs what both codecs lose, as
    /// <see cref="KvCache.Recode"/> does, and a chunk whose blocks would not get an eighth smaller stays as it is.</summary>
    /// <remarks>Codecs that choose from data take the choice that was stored, of others of their kind; presets can follow each other. Programs may use the store meanwhile.</remarks>
    /// <param name="to">The codecs of all layers; of an entry with steps by age those of its oldest tokens count. A side of a layer that has fewer bits already keeps them.</param>
    /// <param name="unused">Only what was not used for so long.</param>
    /// <param name="progress">Is told which share is done.</param>
    /// <param name="cancellation">Stops between files.</param>
    /// <returns>How many files and bytes there are then, how many were coded again, and which cannot be, with the reason: one file for each.</returns>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be read.</exception>
    public DiskReport Recode(LayerSpecs to, TimeSpan unused = default, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(to);
        ArgumentOutOfRangeException.ThrowIfLessThan(unused, TimeSpan.Zero);
        return DiskCleaning.Recode(_folder, new DiskRecoding(_folder, to.Oldest), unused, progress, cancellation);
    }

    // File systems answer when they like, so not on the caller's thread.
    private static Task<T> RunAsync<T>(Func<T> call, CancellationToken cancellation) => Task.Run(call, cancellation);
}
