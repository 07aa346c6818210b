using Kvant.Caching;
using Kvant.Models.Gguf;
using Kvant.Models.Tests.RealModels;
using Kvant.Models.Tokenizers;
using Kvant.Tests.Formats;
using OnnxBars;
using OnnxExport;

namespace Kvant.OnnxRuntime.Tests.RealModels;

public sealed class RealModelTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void SmolLm2WritesWithQualityWhatItWritesWithFloats(bool group)
    {
        string gguf = RealModel.Find(RealModel.SmolLm2);
        using var folder = new TemporaryFolder();
        string path = folder.File("model.onnx");
        Exporter.Export(gguf, path, new() { GroupQuery = group, DataFile = true });
        using GgufFile file = GgufFile.Open(gguf);
        int[] tokens = Tokenizer.Read(file).Encode(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "mini-holdout.txt")))[..200];
        using var plain = new PlainSession(path);
        using CutDecoder decoder = CutDecoder.Open(path);
        using KvCache cache = Mini.Cache(decoder, "quality");
        float[] logits = new float[decoder.VocabularySize];
        decoder.Forward(cache, tokens, logits);
        int found = Mini.Best(logits), wanted = Mini.Best(plain.Forward(tokens)[^1]);
        for (int i = 0; i < 60; i++)
        {
            Assert.Equal(wanted, found);
            decoder.Forward(cache, [found], logits);
            (found, wanted) = (Mini.Best(logits), Mini.Best(plain.Forward(wanted)[^1]));
        }
    }
}
