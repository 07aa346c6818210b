using Kvant.Formats;
using Microsoft.Win32.SafeHandles;

namespace Kvant.Tests.Formats;

public sealed class AtomicFileTests : IDisposable
{
    private const int Eio = 5;
    private const int Enospc = 28;

    private readonly TemporaryFolder _folder = new();

    private string Target => _folder.File("target");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void CommittedFileReplacesTheTarget()
    {
        _folder.Write("target", [1]);
        using (AtomicFile file = AtomicFile.Create(Target))
        {
            file.Stream.Write([2, 3]);
            Assert.Equal([1], File.ReadAllBytes(Target));
            file.Commit();
        }
        Assert.Equal([2, 3], File.ReadAllBytes(Target));
        Assert.Equal(["target"], _folder.Files);
    }

    [Theory]
    [InlineData('n', 255)]
    [InlineData('ж', 127)]
    [InlineData('字', 85)]
    public void LongestNameIsWritten(char letter, int count)
    {
        string name = new(letter, count);
        using AtomicFile file = AtomicFile.Create(_folder.File(name));
        file.Commit();
        Assert.Equal([name], _folder.Files);
    }

    [Fact]
    public void DisposeWithoutCommitLeavesTheTargetUnchanged()
    {
        _folder.Write("target", [1]);
        AtomicFile file = AtomicFile.Create(Target);
        file.Stream.Write(new byte[100_000]);
        Assert.Equal(2, _folder.Files.Length);
        file.Dispose();
        file.Dispose();
        Assert.Equal(["target"], _folder.Files);
        Assert.Equal([1], File.ReadAllBytes(Target));
    }

    [Fact]
    public void AnExceptionInTheMiddleLeavesNoFile()
    {
        Assert.Throws<FormatException>(WriteAndFail);
        Assert.Empty(_folder.Files);

        void WriteAndFail()
        {
            using AtomicFile file = AtomicFile.Create(Target);
            file.Stream.Write([1]);
            throw new FormatException();
        }
    }

    [Theory]
    [InlineData(Eio)]
    [InlineData(Enospc)]
    public void FailingFlushIsReportedAndNothingIsReplaced(int error)
    {
        _folder.Write("target", [1]);
        using (AtomicFile file = AtomicFile.Create(Target, _ => error, _ => 0))
        {
            file.Stream.Write([2]);
            IOException e = Assert.Throws<IOException>(file.Commit);
            Assert.Contains("could not be flushed", e.Message);
            Assert.Contains($"(error {error})", e.Message);
            Assert.Throws<InvalidOperationException>(file.Commit);
        }
        Assert.Equal(["target"], _folder.Files);
        Assert.Equal([1], File.ReadAllBytes(Target));
    }

    [Fact]
    public void FailingFolderFlushIsReportedWithTheNewFileWhole()
    {
        using (AtomicFile file = AtomicFile.Create(Target, LibCOrNothing, _ => Eio))
        {
            file.Stream.Write([2]);
            Assert.Contains("folder", Assert.Throws<IOException>(file.Commit).Message);
        }
        Assert.Equal(["target"], _folder.Files);
        Assert.Equal([2], File.ReadAllBytes(Target));
    }

    [Fact]
    public void TheFlushSeesTheWholeContentUnderTheTemporaryName()
    {
        long lengthAtFlush = -1;
        bool targetAtFlush = true, targetAtFolderFlush = false;
        string? flushedFolder = null;
        using AtomicFile file = AtomicFile.Create(
            Target,
            handle =>
            {
                lengthAtFlush = RandomAccess.GetLength(handle);
                targetAtFlush = File.Exists(Target);
                return 0;
            },
            folder =>
            {
                flushedFolder = folder;
                targetAtFolderFlush = File.Exists(Target);
                return 0;
            });
        file.Stream.Write(new byte[12345]);
        file.Commit();
        Assert.Equal((12345, false, true, _folder.Root), (lengthAtFlush, targetAtFlush, targetAtFolderFlush, flushedFolder));
    }

    [Fact]
    public void RealFlushOfABadHandleIsAnError()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "fsync is not used on Windows");
        // A pipe cannot be flushed: the kernel answers EINVAL, which .NET's own flush ignores.
        using System.IO.Pipes.AnonymousPipeServerStream pipe = new();
        using SafeFileHandle handle = new(pipe.SafePipeHandle.DangerousGetHandle(), ownsHandle: false);
        Assert.Equal(LibC.Einval, LibC.FlushFile(handle));
        Assert.NotEqual(0, LibC.FlushDirectory(_folder.File("none")));
        Assert.Equal(0, LibC.FlushDirectory(_folder.Root));
    }

    [Fact]
    public void TargetThatIsAFolderIsRefusedAndLeftAlone()
    {
        Directory.CreateDirectory(Target);
        using (AtomicFile file = AtomicFile.Create(Target))
        {
            file.Stream.Write([1]);
            Exception? e = Record.Exception(file.Commit);
            Assert.True(e is IOException or UnauthorizedAccessException, $"{e}");
        }
        Assert.True(Directory.Exists(Target));
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void MissingFolderIsReported() =>
        Assert.Contains("none does not exist", Assert.Throws<DirectoryNotFoundException>(() => AtomicFile.Create(Path.Combine(_folder.Root, "none", "file"))).Message);

    [Fact]
    public void PathOfAFolderIsRefused() => Assert.Throws<ArgumentException>(() => AtomicFile.Create(_folder.Root + Path.DirectorySeparatorChar));

    [Fact]
    public void SecondCommitIsRefused()
    {
        using AtomicFile file = AtomicFile.Create(Target);
        file.Commit();
        Assert.Throws<InvalidOperationException>(file.Commit);
        Assert.Empty(File.ReadAllBytes(Target));
    }

    [Fact]
    public void TwoWritersOfOneTargetDoNotMeet()
    {
        using AtomicFile first = AtomicFile.Create(Target);
        using AtomicFile second = AtomicFile.Create(Target);
        first.Stream.Write([1, 1]);
        second.Stream.Write([2]);
        first.Commit();
        second.Commit();
        Assert.Equal([2], File.ReadAllBytes(Target));
    }

    private static int LibCOrNothing(SafeFileHandle handle) => OperatingSystem.IsWindows() ? 0 : LibC.FlushFile(handle);
}
