using Kvant.Models.Decoding;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.Decoding;
using Kvant.Tests.Formats;

namespace Kvant.Fuzz.Targets;

/// <summary>Models: sizes and rules of the metadata, the tensors they ask for, and the shape of the cache that follows.</summary>
internal static class ModelTarget
{
    internal static FuzzTarget Target { get; } = new("model", Corpus, Read, static e => e is InvalidDataException or FileNotFoundException);

    private static byte[][] Corpus()
    {
        using TemporaryFolder folder = new();
        return
        [
            .. TinyModels.All.Select(m =>
            {
                TinyModels.Create(m.Key, m.Value, width: 16, inner: 8).Save(folder.File(m.Key));
                return File.ReadAllBytes(folder.File(m.Key));
            }),
        ];
    }

    private static void Read(FuzzInput input)
    {
        using (GgufFile file = GgufFile.Open(input.Path))
            ModelConfig.Read(file);
        using LanguageModel model = LanguageModel.Open(input.Path);
        Assert.True(model.CacheGeometry.Layers > 0 && model.VocabularySize > 0);
    }
}
