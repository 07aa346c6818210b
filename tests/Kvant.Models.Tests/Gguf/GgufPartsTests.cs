using Kvant.Models.Decoding;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.Decoding;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Gguf;

/// <summary>A model that was split, as llama.cpp's gguf-split writes it: the first part has the metadata, all have split.no and split.count.</summary>
public sealed class GgufPartsTests : IDisposable
{
    private const int Parts = 3;

    private readonly TemporaryFolder _folder = new();

    public GgufPartsTests()
    {
        TinyModels.Write(_folder.File("whole"), "qwen2");
        for (int part = 0; part < Parts; part++) Write(part);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AnyPartOpensTheWholeModel()
    {
        using LanguageModel whole = LanguageModel.Open(_folder.File("whole"));
        float[] wanted = Logits(whole);
        for (int part = 0; part < Parts; part++)
        {
            using LanguageModel model = LanguageModel.Open(PathOf(part));
            Assert.Equal(wanted, Logits(model));
            Assert.Equal(whole.Identity, model.Identity);
            Assert.Equal(Enumerable.Range(0, Parts).Select(PathOf), model.File.Paths);
            Assert.Equal(PathOf(part), model.File.Path);
        }
    }

    [Fact]
    public void AMissingPartIsNamed()
    {
        File.Delete(PathOf(1));
        Assert.Contains("this is part 1 of 3 of a model, and part 2 is missing", Assert.Throws<FileNotFoundException>(() => GgufFile.Open(PathOf(0))).Message, StringComparison.Ordinal);
        Assert.Contains("this is part 3 of 3", Assert.Throws<FileNotFoundException>(() => GgufFile.Open(PathOf(2))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PartsThatDoNotBelongTogetherAreRefused()
    {
        Refused("this says that it is part 1 of 3", () => File.Copy(PathOf(0), PathOf(1), overwrite: true));
        Refused("this says that it is part 0 of 1", () => File.Copy(_folder.File("whole"), PathOf(1), overwrite: true));
        Refused("this says that it is part 2 of 4", () => Write(1, [("split.count", 4u)]));
        Refused("4 wanted; the parts are not of the same model", () => Enumerable.Range(0, Parts).ToList().ForEach(part => Write(part, [("split.tensors.count", 4u)])));
        Refused("about 'split.tensors.count'", () => Write(2, [("split.tensors.count", 4u)]));
        Refused("is in an earlier part, too", () => Write(1, [], tensorsOf: 2));
        Refused("about 'qwen2.rope.freq_base' that the first part does not", () => Write(1, [("qwen2.rope.freq_base", 5f)]));
        Refused("'split.no' is missing", () => Write(0, [("split.no", null)]));
        Refused("'split.no' holds 3", () => Write(0, [("split.no", 3u)]));
        Refused("at most 99999", () => Write(0, [("split.count", 100_000u)]));
    }

    [Fact]
    public void APartUnderAnotherNameSaysWhatItIs()
    {
        File.Move(PathOf(1), _folder.File("renamed.gguf"));
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => GgufFile.Open(_folder.File("renamed.gguf")));
        Assert.Contains("this is part 2 of 3 of a model; the others can be found only if its name ends in -00002-of-00003.gguf", error.Message, StringComparison.Ordinal);
    }

    private static float[] Logits(LanguageModel model)
    {
        float[] logits = new float[model.VocabularySize];
        using Decoder decoder = new(model, new ExactAttention(model.Config, 8));
        decoder.Forward([3, 1, 4], logits);
        return logits;
    }

    private void Refused(string says, Action damage)
    {
        damage();
        Assert.Contains(says, Assert.Throws<InvalidDataException>(() => GgufFile.Open(PathOf(0))).Message, StringComparison.Ordinal);
        for (int part = 0; part < Parts; part++) Write(part);
    }

    private void Write(int part, (string Key, object? Value)[]? changes = null, int? tensorsOf = null)
    {
        using GgufFile file = GgufFile.Open(_folder.File("whole"));
        (string Key, object? Value)[] own = [.. new (string Key, object? Value)[] { ("split.no", (uint)part), ("split.count", (uint)Parts), ("split.tensors.count", (uint)file.Tensors.Count) }
            .Where(o => changes?.Any(c => c.Key == o.Key) != true), .. changes ?? []];
        HashSet<string> names = [.. file.Tensors.Where((_, i) => i * Parts / file.Tensors.Count == (tensorsOf ?? part)).Select(t => t.Name)];
        GgufWriter writer = new();
        if (part == 0) writer = GgufEdit.Copy(file, own, t => names.Contains(t.Name));
        else
        {
            foreach ((string key, object? value) in own) GgufEdit.Add(writer, key, value!);
            GgufEdit.AddTensors(writer, file, t => names.Contains(t.Name));
        }
        writer.Save(PathOf(part));
    }

    private string PathOf(int part) => _folder.File($"model-{part + 1:00000}-of-{Parts:00000}.gguf");
}
