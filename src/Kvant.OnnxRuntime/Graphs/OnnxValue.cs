namespace Kvant.OnnxRuntime.Graphs;

/// <summary>An input or output of a graph, with its type: ValueInfoProto.</summary>
/// <param name="Name">Its name.</param>
/// <param name="ElementType">The type of its numbers; 0 where it is no tensor.</param>
/// <param name="Dimensions">A number or a name each; null where nothing is said of the shape.</param>
internal sealed record OnnxValue(string Name, int ElementType, IReadOnlyList<string>? Dimensions)
{
    public static OnnxValue Read(ReadOnlyMemory<byte> message)
    {
        string name = "";
        int elementType = 0;
        List<string>? dimensions = null;
        for (WireReader value = new(message); value.Next();)
        {
            if (value.Field == 1)
                name = value.Text;
            if (value.Field != 2)
                continue;
            for (WireReader type = new(value.Content); type.Next();)
            {
                if (type.Field != 1)
                    continue;
                for (WireReader tensor = new(type.Content); tensor.Next();)
                {
                    if (tensor.Field == 1)
                        elementType = (int)tensor.Number;
                    if (tensor.Field == 2)
                        dimensions = ReadShape(tensor.Content);
                }
            }
        }

        return new OnnxValue(name, elementType, dimensions);
    }

    public WireWriter Write()
    {
        WireWriter type = new WireWriter().Number(1, ElementType);
        if (Dimensions is not null)
        {
            WireWriter shape = new();
            foreach (string dimension in Dimensions)
                shape.Nested(1, long.TryParse(dimension, out long number) ? new WireWriter().Number(1, number) : new WireWriter().Text(2, dimension));
            type.Nested(2, shape);
        }

        return new WireWriter().Text(1, Name).Nested(2, new WireWriter().Nested(1, type));
    }

    private static List<string> ReadShape(ReadOnlyMemory<byte> message)
    {
        List<string> dimensions = [];
        for (WireReader shape = new(message); shape.Next();)
        {
            if (shape.Field != 1)
                continue;
            string text = "";
            for (WireReader dimension = new(shape.Content); dimension.Next();)
                text = dimension.Field == 1 ? $"{(long)dimension.Number}" : dimension.Field == 2 ? dimension.Text : text;
            dimensions.Add(text);
        }

        return dimensions;
    }
}
