using System.Text;

namespace Kvant.OnnxRuntime.Graphs;

/// <summary>A setting of a node: AttributeProto, as far as it is asked for here; the message has the rest.</summary>
internal sealed class OnnxAttribute
{
    private OnnxAttribute(ReadOnlyMemory<byte> message)
    {
        Message = message;
        List<long> numbers = [];
        for (WireReader reader = new(message); reader.Next();)
        {
            switch (reader.Field)
            {
                case 1:
                    Name = reader.Text;
                    break;
                case 2:
                    Single = reader.Single;
                    break;
                case 3:
                    Number = (long)reader.Number;
                    break;
                case 4:
                    Text = reader.Text;
                    break;
                case 5:
                    Tensor = OnnxTensor.Read(reader.Content);
                    break;
                case 6 or 11:
                    HasGraph = true;
                    break;
                case 8:
                    reader.AddNumbers(numbers);
                    break;
            }
        }

        Numbers = numbers;
    }

    public ReadOnlyMemory<byte> Message { get; }

    public string Name { get; } = "";

    public long Number { get; }

    public float Single { get; }

    public string Text { get; } = "";

    public IReadOnlyList<long> Numbers { get; }

    public OnnxTensor? Tensor { get; }

    /// <summary>Whether there is a graph within, as loops and branches have it.</summary>
    public bool HasGraph { get; }

    public static OnnxAttribute Read(ReadOnlyMemory<byte> message) => new(message);

    public static OnnxAttribute Of(string name, long number) => new(new WireWriter().Text(1, name).Number(3, number).Number(20, 2).Message);

    public static OnnxAttribute Of(string name, float number) => new(new WireWriter().Text(1, name).Single(2, number).Number(20, 1).Message);

    public static OnnxAttribute Of(string name, string text) => new(new WireWriter().Text(1, name).Bytes(4, Encoding.UTF8.GetBytes(text)).Number(20, 3).Message);

    public static OnnxAttribute Of(string name, params long[] numbers)
    {
        WireWriter writer = new WireWriter().Text(1, name);
        foreach (long number in numbers)
            writer.Number(8, number);
        return new(writer.Number(20, 7).Message);
    }
}
