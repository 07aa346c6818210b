using Kvant.Evaluation.Retrieval;
using Kvant.Models.Decoding;
using Kvant.Models.Gguf;

namespace Kvant.Evaluation.Tests.Retrieval;

/// <summary>An induction model in a temporary file that goes with it.</summary>
internal sealed class InductionFile : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public InductionFile(int dimension, int vocabulary, Action<GgufWriter>? add = null)
    {
        GgufWriter writer = InductionModel.Compose(dimension, vocabulary, seed: 3);
        add?.Invoke(writer);
        writer.Save(_path);
        Model = LanguageModel.Open(_path);
    }

    public LanguageModel Model { get; }

    public void Dispose()
    {
        Model.Dispose();
        File.Delete(_path);
    }
}
