namespace Kvant.Caching;

/// <summary>Where the tokens of a layer are. Rows are counted from the end of the sinks.</summary>
/// <param name="Length">Tokens, evicted ones counted.</param>
/// <param name="BodyRows">Rows that left the window for the body: whole blocks.</param>
/// <param name="FirstLive">The position of the first token beside the sinks that lives.</param>
/// <param name="CutRows">Rows behind the body that were decoded from a block that was cut. That block stays in its place until it is closed
/// again, so that these rows keep their codes then.</param>
/// <param name="Evicted">In a layer with a sliding window, whether a caller or a rule wanted the last token before the first living one to be forgotten, so that nobody misses it
/// when a cut moves the window back. False where the window forgot it, or nothing is forgotten.</param>
internal readonly record struct LayerExtent(int Length, int BodyRows, int FirstLive, int CutRows, bool Evicted = false);
