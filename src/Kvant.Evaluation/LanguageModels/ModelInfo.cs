using Kvant.Models.Decoding;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>Which model an experiment ran on.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Architecture">Its family.</param>
/// <param name="Layers">Transformer layers.</param>
/// <param name="QueryHeads">Query heads of a layer.</param>
/// <param name="KeyValueHeads">Heads of keys and values of a layer.</param>
/// <param name="HeadDimension">Numbers of a key or a value.</param>
/// <param name="Vocabulary">Tokens that it knows.</param>
/// <param name="TrainedContext">Tokens that it was trained on at once.</param>
internal sealed record ModelInfo(string Name, string Architecture, int Layers, int QueryHeads, int KeyValueHeads, int HeadDimension, int Vocabulary, int TrainedContext)
{
    internal static ModelInfo Of(ModelExperiment experiment)
    {
        ModelConfig config = experiment.Model.Config;
        return new ModelInfo(
            experiment.ModelName ?? Path.GetFileName(experiment.Model.File.Path), config.Architecture, config.Layers, config.QueryHeads, config.KeyValueHeads,
            config.HeadDimension, experiment.Model.VocabularySize, config.ContextLength);
    }
}
