using Kvant.Caching;

namespace Kvant.Formats;

/// <summary>A cache as bytes and back: what <see cref="KvCache"/> can do where this namespace is used. docs/formats/cache.md describes the bytes.</summary>
public static class CacheFreezing
{
    extension(KvCache cache)
    {
        /// <summary>The whole cache as bytes, from which <c>Thaw</c> makes one that attends alike. The bytes depend on content alone.</summary>
        /// <exception cref="IOException">There are more than 2 GiB; write them to a stream or a file.</exception>
        public byte[] Freeze()
        {
            using var stream = new MemoryStream();
            cache.Freeze(stream);
            return stream.ToArray();
        }

        /// <summary>Writes the bytes of <c>Freeze()</c>, front to back. Others may read the cache meanwhile.</summary>
        /// <param name="stream">Receives them; it need not seek.</param>
        public void Freeze(Stream stream)
        {
            ArgumentNullException.ThrowIfNull(stream);
            cache.EnterRead();
            try
            {
                LayerMemory[] layers = cache.Layers;
                QueryEnergies[] energies = Array.ConvertAll(layers, l => l.Queries.Copy());
                var header = new CacheHeader(cache.StoredOptions, Array.ConvertAll(layers, l => l.Layout), Array.ConvertAll(layers, l => l.Extent), Array.ConvertAll(energies, e => e.Tokens));
                var writer = new ChecksummedWriter(stream);
                header.Write(writer);
                foreach (int layer in header.OwnLayers)
                    LayerFormat.Write(header, layer, layers[layer], energies[layer], writer);
            }
            finally
            {
                cache.ExitRead();
            }
        }

        /// <summary>Writes the bytes of <c>Freeze()</c> to a file, which appears whole or not at all.</summary>
        /// <param name="path">The file to create or replace.</param>
        /// <exception cref="IOException">The file cannot be written.</exception>
        public void Save(string path)
        {
            using AtomicFile file = AtomicFile.Create(path);
            cache.Freeze(file.Stream);
            file.Commit();
        }

        /// <summary>Makes a cache from the bytes of <c>Freeze()</c>, or of <c>kvant compress</c>.</summary>
        /// <param name="bytes">All of them and no more.</param>
        /// <param name="pool">Where its memory comes from; null for a pool of its own.</param>
        /// <param name="expected">What the cache must belong to (<see cref="KvCacheOptions.Identity"/>); null for anything.</param>
        /// <exception cref="InvalidDataException">The bytes are damaged, cut short, of another version, no cache, or belong to something else.</exception>
        /// <exception cref="CacheFullException">The pool's limit leaves no room.</exception>
        public static KvCache Thaw(ReadOnlySpan<byte> bytes, PagePool? pool = null, CacheIdentity? expected = null)
        {
            var reader = new ChecksummedReader(bytes, "frozen cache");
            return CacheFile.Thaw(ref reader, bytes.Length, pool, expected);
        }

        /// <summary>As <c>Thaw</c> of bytes, from a stream: reads exactly the cache, in small pieces, and leaves what follows.</summary>
        /// <remarks>A stream that cannot seek does not say how much there is: without a pool whose limit you set, such a cache may ask for 2 GiB.</remarks>
        /// <param name="stream">Stands at the cache's first byte.</param>
        /// <param name="pool">Where its memory comes from; null for a pool of its own.</param>
        /// <param name="expected">What the cache must belong to; null for anything.</param>
        /// <exception cref="InvalidDataException">As for bytes.</exception>
        /// <exception cref="CacheFullException">The pool's limit leaves no room.</exception>
        /// <exception cref="IOException">The stream cannot be read.</exception>
        public static KvCache Thaw(Stream stream, PagePool? pool = null, CacheIdentity? expected = null)
        {
            ArgumentNullException.ThrowIfNull(stream);
            var reader = new ChecksummedReader(stream, "frozen cache");
            return CacheFile.Thaw(ref reader, stream.CanSeek ? stream.Length - stream.Position : null, pool, expected);
        }

        /// <summary>Makes a cache from a file of <c>Save</c> or of <c>kvant compress</c>.</summary>
        /// <param name="path">The file.</param>
        /// <param name="pool">Where its memory comes from; null for a pool of its own.</param>
        /// <param name="expected">What the cache must belong to; null for anything.</param>
        /// <exception cref="InvalidDataException">As for bytes; the message names the file.</exception>
        /// <exception cref="CacheFullException">The pool's limit leaves no room.</exception>
        /// <exception cref="IOException">The file cannot be read.</exception>
        public static KvCache Load(string path, PagePool? pool = null, CacheIdentity? expected = null)
        {
            using CacheFile file = CacheFile.Open(path);
            return file.Thaw(pool, expected);
        }
    }
}
