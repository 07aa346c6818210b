namespace Kvant.Evaluation.Reports;

/// <summary>
/// Puts a label beside each mark so that no label covers a mark, another label or the line that leads to one: for each mark
/// the nearest free place on growing rings, the most crowded marks first. A line through the marks is kept free where that
/// costs little.
/// </summary>
internal static class LabelPlacer
{
    public const double Height = 15;

    private const double WidthPerCharacter = 6.7, Gap = 3;

    private static readonly double[] s_rings = [PlotMark.Radius + Gap, 16, 26, 38, 52, 68, 86, 106, 130, 160];

    public static Box[] Place(IReadOnlyList<(double X, double Y)> marks, IReadOnlyList<string> texts, Box frame, IReadOnlyList<(double X, double Y)> line)
    {
        var labels = new Box[marks.Count];
        var placed = new List<int>();
        foreach (int i in Enumerable.Range(0, marks.Count).OrderByDescending(i => Crowd(marks, i)))
        {
            double width = (texts[i].Length * WidthPerCharacter) + 4;
            labels[i] = Candidates(marks[i], width).MinBy(c => Cost(c, i, marks, labels, placed, frame) + LineCost(c.Box, line)).Box;
            placed.Add(i);
        }

        return labels;
    }

    private static double Crowd(IReadOnlyList<(double X, double Y)> marks, int i) =>
        marks.Sum(m => 1 / (20 + Math.Abs(m.X - marks[i].X) + Math.Abs(m.Y - marks[i].Y)));

    private static IEnumerable<(Box Box, double Ring)> Candidates((double X, double Y) mark, double width)
    {
        foreach (double ring in s_rings)
        {
            for (int direction = 0; direction < 16; direction++)
            {
                (double sine, double cosine) = Math.SinCos(direction * Math.PI / 8);
                // The side of the box that faces the mark touches the ring.
                double x = mark.X + (cosine * ring) + (Math.Abs(cosine) < 0.1 ? 0 : Math.Sign(cosine) * width / 2);
                double y = mark.Y + (sine * ring) + (Math.Abs(sine) < 0.1 ? 0 : Math.Sign(sine) * Height / 2);
                yield return (Box.Around(x, y, width / 2, Height / 2), ring + (direction == 0 ? 0 : 2));
            }
        }
    }

    private static double Cost(
        (Box Box, double Ring) candidate, int mark, IReadOnlyList<(double X, double Y)> marks, Box[] labels, List<int> placed, Box frame)
    {
        const double forbidden = 1000;
        Box box = candidate.Box;
        double cost = candidate.Ring + (forbidden * box.Outside(frame));
        for (int i = 0; i < marks.Count; i++)
        {
            Box other = Box.Around(marks[i].X, marks[i].Y, PlotMark.Radius + 2, PlotMark.Radius + 2);
            cost += forbidden * box.Overlap(other);
            if (i != mark && Crosses(marks[mark], box, other))
                cost += forbidden;
        }

        foreach (int i in placed)
        {
            cost += forbidden * box.Overlap(labels[i]);
            if (Crosses(marks[mark], box, labels[i]) || Crosses(marks[i], labels[i], box))
                cost += forbidden;
        }

        return cost;
    }

    /// <summary>Whether the line from a mark to its label runs through another box.</summary>
    private static bool Crosses((double X, double Y) mark, Box label, Box other) =>
        Crosses(mark, label.Nearest(mark.X, mark.Y), other, 12);

    private static bool Crosses((double X, double Y) from, (double X, double Y) to, Box box, int steps)
    {
        for (int step = 0; step <= steps; step++)
        {
            double share = (double)step / steps;
            if (box.Holds(from.X + ((to.X - from.X) * share), from.Y + ((to.Y - from.Y) * share)))
                return true;
        }

        return false;
    }

    private static double LineCost(Box box, IReadOnlyList<(double X, double Y)> line)
    {
        const double cost = 25;
        double sum = 0;
        for (int i = 1; i < line.Count; i++)
            sum += Crosses(line[i - 1], line[i], box, 60) ? cost : 0;
        return sum;
    }
}
