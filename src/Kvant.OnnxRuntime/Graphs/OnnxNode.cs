namespace Kvant.OnnxRuntime.Graphs;

/// <summary>An operation of a graph: NodeProto. Inputs that are left out have empty names.</summary>
internal sealed record OnnxNode
{
    /// <summary>The operation.</summary>
    public required string Operation { get; init; }

    /// <summary>Whose operation it is; empty for ONNX's own.</summary>
    public string Domain { get; init; } = "";

    public string Name { get; init; } = "";

    public required IReadOnlyList<string> Inputs { get; init; }

    public required IReadOnlyList<string> Outputs { get; init; }

    public IReadOnlyList<OnnxAttribute> Attributes { get; init; } = [];

    /// <summary>Whether it is ONNX's own operation of a name.</summary>
    public bool Is(params ReadOnlySpan<string> operations) => Domain is "" or "ai.onnx" && operations.Contains(Operation);

    /// <summary>An input; empty where it is left out.</summary>
    public string Input(int index) => index < Inputs.Count ? Inputs[index] : "";

    /// <summary>An output; empty where it is left out.</summary>
    public string Output(int index) => index < Outputs.Count ? Outputs[index] : "";

    public OnnxAttribute? Attribute(string name) => Attributes.FirstOrDefault(attribute => attribute.Name == name);

    public long Number(string name, long unless) => Attribute(name)?.Number ?? unless;

    public override string ToString() => $"{Operation} '{(Name.Length > 0 ? Name : Output(0))}'";

    public static OnnxNode Read(ReadOnlyMemory<byte> message)
    {
        List<string> inputs = [], outputs = [];
        List<OnnxAttribute> attributes = [];
        string name = "", operation = "", domain = "";
        for (WireReader reader = new(message); reader.Next();)
        {
            switch (reader.Field)
            {
                case 1:
                    inputs.Add(reader.Text);
                    break;
                case 2:
                    outputs.Add(reader.Text);
                    break;
                case 3:
                    name = reader.Text;
                    break;
                case 4:
                    operation = reader.Text;
                    break;
                case 5:
                    attributes.Add(OnnxAttribute.Read(reader.Content));
                    break;
                case 7:
                    domain = reader.Text;
                    break;
            }
        }

        return new OnnxNode { Operation = operation, Domain = domain, Name = name, Inputs = inputs, Outputs = outputs, Attributes = attributes };
    }

    public WireWriter Write()
    {
        WireWriter writer = new();
        foreach (string input in Inputs)
            writer.Text(1, input);
        foreach (string output in Outputs)
            writer.Text(2, output);
        writer.Text(3, Name).Text(4, Operation);
        foreach (OnnxAttribute attribute in Attributes)
            writer.Bytes(5, attribute.Message.Span);
        return writer.Text(7, Domain);
    }
}
