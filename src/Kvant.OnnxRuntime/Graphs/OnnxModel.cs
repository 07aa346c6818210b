namespace Kvant.OnnxRuntime.Graphs;

/// <summary>A model in ONNX's format, as far as it is asked for here: ModelProto and its graph.</summary>
internal sealed class OnnxModel
{
    /// <summary>The domain of what Kvant puts into graphs.</summary>
    public const string OwnDomain = "kvant";

    /// <summary>The domain of ONNX Runtime's own operations.</summary>
    public const string RuntimeDomain = "com.microsoft";

    private ReadOnlyMemory<byte> _source;
    private string? _sourceFile;

    public long IrVersion { get; init; } = 8;

    /// <summary>Domains of operations, each with its version.</summary>
    public required IReadOnlyDictionary<string, long> Operations { get; init; }

    public required IReadOnlyList<OnnxNode> Nodes { get; init; }

    public required IReadOnlyList<OnnxTensor> Tensors { get; init; }

    public required IReadOnlyList<OnnxValue> Inputs { get; init; }

    public required IReadOnlyList<OnnxValue> Outputs { get; init; }

    /// <summary>Whether the model has functions or training of its own, which nothing here looks at.</summary>
    public bool HasMore { get; private init; }

    /// <summary>Names of other files that hold tensors, in the model's folder.</summary>
    public IEnumerable<string> OutsideFiles => Tensors.Select(tensor => tensor.OutsideFile).OfType<string>().Distinct();

    /// <summary>Reads a model. Tensors stay where they are: keep the file while a session uses what <see cref="Write"/> gives.</summary>
    /// <exception cref="InvalidDataException">It is no ONNX model, or it is broken.</exception>
    public static OnnxModel Open(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        try
        {
            return Read(bytes, Path.GetFileName(path));
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
    }

    /// <summary>Reads a model.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="file">Its name; null to leave all tensors in what <see cref="Write"/> gives.</param>
    public static OnnxModel Read(ReadOnlyMemory<byte> bytes, string? file = null)
    {
        Dictionary<string, long> operations = [];
        List<OnnxNode> nodes = [];
        List<OnnxTensor> tensors = [];
        List<OnnxValue> inputs = [], outputs = [];
        long version = 0;
        bool more = false, hasGraph = false;
        for (WireReader model = new(bytes); model.Next();)
        {
            switch (model.Field)
            {
                case 1:
                    version = (long)model.Number;
                    break;
                case 7:
                    hasGraph = true;
                    ReadGraph(model.Content);
                    break;
                case 8:
                    (string domain, long number) = ReadOperations(model.Content);
                    operations[domain is "ai.onnx" ? "" : domain] = number;
                    break;
                case 20 or 25:
                    more = true;
                    break;
            }
        }

        if (!hasGraph || operations.Count == 0)
            throw new InvalidDataException("This is no ONNX model: there is no graph, or nothing is said of its operations.");
        return new OnnxModel { IrVersion = version, Operations = operations, Nodes = nodes, Tensors = tensors, Inputs = inputs, Outputs = outputs, HasMore = more, _source = bytes, _sourceFile = file };

        void ReadGraph(ReadOnlyMemory<byte> message)
        {
            for (WireReader graph = new(message); graph.Next();)
            {
                switch (graph.Field)
                {
                    case 1:
                        nodes.Add(OnnxNode.Read(graph.Content));
                        break;
                    case 5:
                        tensors.Add(OnnxTensor.Read(graph.Content));
                        break;
                    case 11:
                        inputs.Add(OnnxValue.Read(graph.Content));
                        break;
                    case 12:
                        outputs.Add(OnnxValue.Read(graph.Content));
                        break;
                    case 15:
                        more = true;
                        break;
                }
            }
        }
    }

    /// <summary>The same model with another graph.</summary>
    public OnnxModel With(IReadOnlyList<OnnxNode> nodes, IReadOnlyList<OnnxValue> inputs, IReadOnlyList<OnnxValue> outputs, IReadOnlyList<OnnxTensor>? more = null)
    {
        HashSet<string> used = [.. nodes.SelectMany(node => node.Inputs), .. outputs.Select(output => output.Name)];
        HashSet<string> domains = [.. nodes.Select(node => node.Domain is "ai.onnx" ? "" : node.Domain), ""];
        Dictionary<string, long> operations = Operations.Where(pair => domains.Contains(pair.Key)).ToDictionary();
        foreach (string domain in domains)
            operations.TryAdd(domain, 1);
        return new OnnxModel
        {
            IrVersion = IrVersion,
            Operations = operations,
            Nodes = nodes,
            Inputs = inputs,
            Outputs = outputs,
            Tensors = [.. Tensors.Concat(more ?? []).Where(tensor => used.Contains(tensor.Name))],
            _source = _source,
            _sourceFile = _sourceFile,
        };
    }

    /// <summary>The model in ONNX's format. What is large of its tensors stays in the file that it was read from, which a session finds by its folder.</summary>
    public byte[] Write()
    {
        WireWriter graph = new WireWriter().Text(2, "decoder");
        foreach (OnnxNode node in Nodes)
            graph.Nested(1, node.Write());
        foreach (OnnxTensor tensor in Tensors)
            graph.Bytes(5, tensor.Message(_source, _sourceFile).Span);
        foreach (OnnxValue input in Inputs)
            graph.Nested(11, input.Write());
        foreach (OnnxValue output in Outputs)
            graph.Nested(12, output.Write());
        WireWriter model = new WireWriter().Number(1, IrVersion).Text(2, "kvant").Nested(7, graph);
        foreach ((string domain, long version) in Operations)
            model.Nested(8, new WireWriter().Text(1, domain).Number(2, version));
        return model.Message.ToArray();
    }

    private static (string Domain, long Version) ReadOperations(ReadOnlyMemory<byte> message)
    {
        string domain = "";
        long version = 0;
        for (WireReader reader = new(message); reader.Next();)
        {
            if (reader.Field == 1)
                domain = reader.Text;
            if (reader.Field == 2)
                version = (long)reader.Number;
        }

        return (domain, version);
    }
}
