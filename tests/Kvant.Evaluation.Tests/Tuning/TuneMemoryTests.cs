using Kvant.Evaluation.Tuning;

namespace Kvant.Evaluation.Tests.Tuning;

/// <summary>The file of measurements grows, is read back, and is nobody else's.</summary>
public sealed class TuneMemoryTests : IDisposable
{
    private const string Mine = TuneMemory.Magic + " mine", Other = TuneMemory.Magic + " other";

    private readonly string _path = Path.Combine(Path.GetTempPath(), $"kvant-memory-{Guid.NewGuid():N}");

    public void Dispose() => File.Delete(_path);

    [Theory]
    [InlineData("")]
    [InlineData("precious")]
    [InlineData("kvant.tune 12 of a later version\n")]
    public void FileThatTuningDidNotBeginIsLeftAlone(string content)
    {
        File.WriteAllText(_path, content);
        Assert.Contains("move it", Assert.Throws<InvalidDataException>(() => new TuneMemory(_path, Mine)).Message, StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllText(_path));
    }

    [Fact]
    public void FileThatAppearsMeanwhileIsLeftAlone()
    {
        using var memory = new TuneMemory(_path, Mine);
        File.WriteAllText(_path, "precious");
        Assert.Throws<IOException>(() => memory.Recall(["a"], () => [1], () => { }));
        memory.Forget();
        Assert.Equal("precious", File.ReadAllText(_path));
    }

    [Fact]
    public void NumbersOfAnotherRunStayUntilThatRunIsOver()
    {
        Measure(Other, "a", 1);
        Measure(Mine, "a", 2);
        using (var memory = new TuneMemory(_path, Mine))
        {
            Assert.Equal([2], memory.Recall(["a"], () => throw new InvalidOperationException("measured again"), () => { }));
            memory.Forget();
        }

        using (var memory = new TuneMemory(_path, Other))
        {
            Assert.Equal([1], memory.Recall(["a"], () => throw new InvalidOperationException("measured again"), () => { }));
            memory.Forget();
        }

        Assert.False(File.Exists(_path));
    }

    [Fact]
    public void HalfALineIsMeasuredAgain()
    {
        Measure(Mine, "a", 0.125);
        File.AppendAllText(_path, "b\t0.2");
        using (var memory = new TuneMemory(_path, Mine))
            Assert.Equal([0.125, 0.25], memory.Recall(["a", "b"], () => [0.125, 0.25], () => { }));
        using (var memory = new TuneMemory(_path, Mine))
            Assert.Equal([0.25], memory.Recall(["b"], () => [], () => { }));
    }

    private void Measure(string fingerprint, string name, double number)
    {
        using var memory = new TuneMemory(_path, fingerprint);
        memory.Recall([name], () => [number], () => { });
    }
}
