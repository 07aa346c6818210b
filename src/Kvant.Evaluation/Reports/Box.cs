namespace Kvant.Evaluation.Reports;

/// <summary>A rectangle on the plot.</summary>
internal readonly record struct Box(double Left, double Top, double Right, double Bottom)
{
    public static Box Around(double x, double y, double halfWidth, double halfHeight) => new(x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight);

    /// <summary>The area that two boxes share.</summary>
    public double Overlap(Box other) =>
        Math.Max(0, Math.Min(Right, other.Right) - Math.Max(Left, other.Left)) * Math.Max(0, Math.Min(Bottom, other.Bottom) - Math.Max(Top, other.Top));

    /// <summary>The area that lies outside a frame.</summary>
    public double Outside(Box frame) => ((Right - Left) * (Bottom - Top)) - Overlap(frame);

    /// <summary>The point of the box that is nearest to a place.</summary>
    public (double X, double Y) Nearest(double x, double y) => (Math.Clamp(x, Left, Right), Math.Clamp(y, Top, Bottom));

    public bool Holds(double x, double y) => x > Left && x < Right && y > Top && y < Bottom;
}
