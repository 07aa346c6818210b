namespace Kvant.Models.Generation;

/// <summary>Why a model stopped writing.</summary>
public enum GenerationEnd
{
    /// <summary>The model said that the text, or its turn, is over.</summary>
    Model,

    /// <summary>So many tokens were written as were asked for.</summary>
    Limit,

    /// <summary>The model's context is full.</summary>
    Context,

    /// <summary>It was told to stop.</summary>
    Canceled,
}
