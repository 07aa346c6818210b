using Kvant.Evaluation.LanguageModels;

namespace Kvant.Evaluation.Reports;

/// <summary>x</summary>
public static class ModelHtmlReport
{
    /// <summary>x</summary>
    public static void Write(string path, ModelReport report) => throw new NotSupportedException();
}
