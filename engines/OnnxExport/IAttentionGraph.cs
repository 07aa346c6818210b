namespace OnnxExport;

/// <summary>How attention is written down.</summary>
internal interface IAttentionGraph
{
    /// <summary>Adds the attention of a layer.</summary>
    /// <param name="normed">What goes into it.</param>
    /// <param name="layer">Counted from 0.</param>
    /// <returns>batch x tokens x (heads x dimension).</returns>
    string Attend(string normed, int layer);
}
