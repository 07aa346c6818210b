using Kvant.OnnxRuntime.Graphs;
using Kvant.Tests.Formats;
using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime.Tests;

public sealed class OnnxModelTests
{
    [Fact]
    public void ModelThatIsReadAndWrittenIsTheSame()
    {
        byte[] once = Small().Write();
        Assert.Equal(once, OnnxModel.Read(once).Write());
        using var session = new InferenceSession(once);
        float[] numbers = [1, 2];
        using var input = OrtValue.CreateTensorValueFromMemory(numbers, [2]);
        using var settings = new RunOptions();
        using IDisposableReadOnlyCollection<OrtValue> outputs = session.Run(settings, ["x"], [input], ["y"]);
        Assert.Equal([11, 22], outputs[0].GetTensorDataAsSpan<float>().ToArray());
    }

    [Fact]
    public void LargeTensorsStayInTheFile()
    {
        OnnxModel model = OnnxModel.Open(Mini.Export("plain"));
        byte[] written = model.Write();
        Assert.InRange(written.Length, 1000, new FileInfo(Mini.Export("plain")).Length / 20);
        Assert.Equal(Path.GetFileName(Mini.Export("plain")), Assert.Single(OnnxModel.Read(written).OutsideFiles));
    }

    [Fact]
    public void BrokenModelsAreRefusedAtEveryLengthAndByte()
    {
        byte[] bytes = Small().Write();
        for (int length = 0; length < bytes.Length; length++)
            TryRead(bytes[..length]);
        for (int i = 0; i < bytes.Length; i++)
        {
            foreach (byte value in (byte[])[0, 1, 0x7F, 0x80, 0xFF, (byte)(bytes[i] ^ 4)])
            {
                byte[] changed = [.. bytes];
                changed[i] = value;
                TryRead(changed);
            }
        }

        Assert.Contains("no ONNX model", Assert.Throws<InvalidDataException>(() => OnnxModel.Read(Array.Empty<byte>())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesOfWeightsAreThoseOfTheFolderAlone()
    {
        using var folder = new TemporaryFolder();
        foreach (string outside in (string[])["../weights", "/etc/hostname", "a/../../b"])
        {
            OnnxModel model = Small();
            string path = folder.File("model.onnx");
            File.WriteAllBytes(path, model.With(model.Nodes, model.Inputs, model.Outputs, [OnnxTensor.Outside("ten", OnnxTensor.Float, [2], outside, 0, 8)]).Write());
            Assert.Contains(outside, Assert.Throws<InvalidDataException>(() => ModelFiles.IdentityOf(path)).Message, StringComparison.Ordinal);
        }
    }

    // Reads as another model, or is refused as broken.
    private static void TryRead(byte[] bytes)
    {
        try
        {
            OnnxModel.Read(bytes).Write();
        }
        catch (InvalidDataException)
        {
            // As it should be.
        }
    }

    private static OnnxModel Small() => new()
    {
        Operations = new Dictionary<string, long> { [""] = 17 },
        Nodes =
        [
            new OnnxNode { Operation = "Mul", Name = "times", Inputs = ["x", "ten"], Outputs = ["tens"] },
            new OnnxNode { Operation = "Add", Name = "sum", Inputs = ["tens", "x"], Outputs = ["z"] },
            new OnnxNode { Operation = "Cast", Name = "same", Inputs = ["z"], Outputs = ["y"], Attributes = [OnnxAttribute.Of("to", 1)] },
        ],
        Tensors = [OnnxTensor.Of("ten", [10f])],
        Inputs = [new OnnxValue("x", OnnxTensor.Float, ["n"])],
        Outputs = [new OnnxValue("y", OnnxTensor.Float, ["n"])],
    };
}
