namespace Kvant.Kernels;

/// <summary>
/// The order in which the path of a trellis code visits the coordinates of a row: column by column of units of 16, 0, 16, 32, ..., 1, 17, 33, ...
/// A coordinate and the one before it on the path then lie at the same place of neighboring units of a tile.
/// </summary>
internal static class TrellisPath
{
    /// <summary>The coordinates of a row of a length, in the order of the path.</summary>
    public static int[] Coordinates(int length) =>
        [.. from column in Enumerable.Range(0, TileLayout.Coordinates) from unit in Enumerable.Range(0, (length + TileLayout.Coordinates - 1) / TileLayout.Coordinates)
            let coordinate = (unit * TileLayout.Coordinates) + column where coordinate < length select coordinate];
}
