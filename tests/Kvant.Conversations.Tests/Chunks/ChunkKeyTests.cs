using System.Buffers.Binary;
using System.Security.Cryptography;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Conversations.Chunks;

namespace Kvant.Conversations.Tests.Chunks;

public sealed class ChunkKeyTests
{
    private static readonly PrefixOptions s_options = Samples.Prefixes(Samples.Options("balanced")) with { Tokenizer = "sha256:34", Tenant = "ada" };
    private static readonly int[] s_tokens = Samples.Tokens(600, 1);

    public static TheoryData<string> Changes => [.. s_changes.Keys];

    /// <summary>Options with such a change.</summary>
    public static PrefixOptions Changed(string change) => s_changes[change];

    private static readonly Dictionary<string, PrefixOptions> s_changes = new()
    {
        ["tenant"] = s_options with { Tenant = "bob" },
        ["no tenant"] = s_options with { Tenant = "" },
        ["tokenizer"] = s_options with { Tokenizer = "sha256:35" },
        ["no tokenizer"] = s_options with { Tokenizer = null },
        ["chunk"] = s_options with { ChunkTokens = 256 },
        ["sections"] = s_options with { Sections = ["state"] },
        ["weights"] = s_options with { Cache = s_options.Cache with { Identity = Samples.Identity with { Weights = "sha256:13" } } },
        ["positions"] = s_options with { Cache = s_options.Cache with { Identity = Samples.Identity with { Positions = null } } },
        ["note"] = s_options with { Cache = s_options.Cache with { Identity = Samples.Identity with { Note = "n" } } },
        ["sinks"] = s_options with { Cache = s_options.Cache with { Sinks = 5 } },
        ["window codec"] = s_options with { Cache = s_options.Cache with { WindowCodec = CodecSpec.Parse("fp32") } },
        ["policy"] = s_options with { Cache = s_options.Cache with { Policy = CachePreset.Named("small").ForLayers(2) } },
        ["seed"] = s_options with { Cache = s_options.Cache with { Policy = [.. CachePreset.Named("balanced").ForLayers(2).Select(l => l with { Keys = l.Keys.With("seed", "7") })] } },
        ["one layer's policy"] = s_options with { Cache = s_options.Cache with { Policy = [s_options.Cache.Policy[0], LayerSpecs.Parse("q8")] } },
        ["layers"] = s_options with { Cache = Samples.Options("balanced", layers: 3) },
        ["rope"] = s_options with { Cache = s_options.Cache with { Geometry = s_options.Cache.Geometry with { Rotary = new() { Base = 500_000 } } } },
        ["query heads"] = s_options with { Cache = s_options.Cache with { Geometry = s_options.Cache.Geometry with { QueryHeads = 2 } } },
        ["sliding window"] = s_options with { Cache = s_options.Cache with { Geometry = s_options.Cache.Geometry.WithLayers((i, shape) => i == 0 ? shape with { SlidingWindow = 512 } : shape) } },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public void WhateverTheBytesDependOnMakesOtherKeys(string change)
    {
        ChunkKey[] keys = KeysOf(s_options, s_tokens), others = KeysOf(s_changes[change], s_tokens);
        Assert.Empty(keys.Intersect(others));
    }

    [Fact]
    public void WhatTheBytesDoNotDependOnMakesNoOthers()
    {
        PrefixOptions other = s_options with { QueueLength = 1, TimeLimit = TimeSpan.FromSeconds(1), Cache = s_options.Cache with { Window = 100, DraftTokens = 9, Pool = new PagePool(1) } };
        Assert.Equal(KeysOf(s_options, s_tokens), KeysOf(other, s_tokens));
    }

    [Fact]
    public void KeysFollowFromTheTokensUpToTheirEnd()
    {
        ChunkKey[] keys = KeysOf(s_options, s_tokens);
        Assert.Equal(4, keys.Length); // 4 sinks and 4 times 128
        int[] changed = [.. s_tokens];
        changed[300]++;
        ChunkKey[] others = KeysOf(s_options, changed);
        Assert.Equal(keys[..2], others[..2]);
        Assert.Empty(keys[2..].Intersect(others[2..]));
        Assert.Equal(keys[..3], KeysOf(s_options, s_tokens[..515]));
    }

    /// <summary>The page, once more in other code.</summary>
    [Fact]
    public void KeyIsTheHashThatThePageSays()
    {
        byte[] recipe = new ChunkPlan(s_options).Recipe, parent = new byte[32];
        foreach ((int chunk, ChunkKey key) in KeysOf(s_options, s_tokens).Index())
        {
            int[] tokens = s_tokens[(chunk == 0 ? 0 : 4 + (128 * chunk))..(4 + (128 * (chunk + 1)))];
            byte[] ids = new byte[4 * tokens.Length];
            for (int i = 0; i < tokens.Length; i++)
                BinaryPrimitives.WriteInt32LittleEndian(ids.AsSpan(4 * i), tokens[i]);
            byte[] all = [.. (byte[][])["kvant chunk 1"u8.ToArray(), "ada"u8.ToArray(), recipe, parent, ids] is var parts ? parts.SelectMany(p => (byte[])[.. BitConverter.GetBytes((long)p.Length), .. p]) : []];
            parent = SHA256.HashData(all);
            Assert.Equal(Convert.ToHexStringLower(parent), key.ToString());
        }
    }

    [Fact]
    public void RecipeSaysInTextWhatTheBytesDependOn() => Assert.Equal(
        [
            "weights=sha256:12", "positions=rope", "tokenizer=sha256:34", "chunk=128", "sinks=4", "shape=2 2 4 64 96", "rotary.base=10000", "rotary.pairs=halves",
            $"0-1.keys={CachePreset.Default.Keys.FullText}", $"0-1.values={CachePreset.Default.Values.FullText}",
        ],
        ChunkRecipe.Read(new ChunkPlan(s_options).Recipe).Select(pair => $"{pair.Key}={pair.Value}"));

    [Fact]
    public void TextOfAKeyComesBack()
    {
        ChunkKey key = KeysOf(s_options, s_tokens)[0];
        Assert.True(ChunkKey.TryParse(key.ToString(), out ChunkKey read));
        Assert.Equal(key, read);
        Assert.True(key == read && !(key != read) && key.Equals((object)read) && key.GetHashCode() == read.GetHashCode());
        foreach (string text in (string[])["", "12", key.ToString().ToUpperInvariant(), key.ToString()[..63] + "g", key + "0"])
            Assert.False(ChunkKey.TryParse(text, out _));
        Assert.Contains("32 bytes; there are 31", Assert.Throws<ArgumentException>(() => new ChunkKey(new byte[31])).Message, StringComparison.Ordinal);
    }

    private static ChunkKey[] KeysOf(PrefixOptions options, int[] tokens) => new ChunkPlan(options).KeysOf(tokens);
}
