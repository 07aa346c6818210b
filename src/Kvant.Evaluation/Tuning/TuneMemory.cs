using System.Globalization;
using System.Text;

namespace Kvant.Evaluation.Tuning;

/// <summary>
/// What was measured so far, in a small text file that only grows, so that a run that was stopped goes on where it was: a line with the
/// fingerprint of everything the numbers depend on, then a name and a number by line, then <c>done</c>. Runs of other fingerprints keep
/// their lines. Without a path it remembers nothing; a file that it did not begin is neither read nor changed.
/// </summary>
internal sealed class TuneMemory : IDisposable
{
    /// <summary>What every fingerprint begins with.</summary>
    public const string Magic = "kvant.tune 1";

    private const string Done = "done";
    private const int MostBytes = 64 << 20;

    private readonly string? _path;
    private readonly string _fingerprint;
    private readonly Dictionary<string, double> _numbers = [];
    private readonly Dictionary<string, bool> _done = [];
    private FileStream? _file;
    private string? _last;

    /// <summary>Opens the file, if it is there, and recalls what it holds of this run.</summary>
    /// <param name="path">The file, or null.</param>
    /// <param name="fingerprint">Begins with <see cref="Magic"/>.</param>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    /// <exception cref="IOException">It cannot be read, or another run has it.</exception>
    public TuneMemory(string? path, string fingerprint)
    {
        (_path, _fingerprint) = (path, fingerprint);
        if (path is null || !File.Exists(path))
            return;
        if (!IsMemory(path))
            throw new InvalidDataException($"{path}: no measurements of 'kvant tune'; move it, or name another output");
        _file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read);
        if (_file.Length > MostBytes)
            throw new InvalidDataException($"{path}: {_file.Length} bytes found, at most {MostBytes} are measurements");
        byte[] bytes = new byte[_file.Length];
        _file.ReadExactly(bytes);
        // A run that was killed may have left half a line.
        int whole = bytes.AsSpan().LastIndexOf((byte)'\n') + 1;
        _file.SetLength(whole);
        _file.Position = whole;
        foreach (string line in Encoding.UTF8.GetString(bytes, 0, whole).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            Read(line);
    }

    /// <summary>Whether numbers of this run are in the file.</summary>
    public bool HasAny => _numbers.Count > 0 && _file is not null;

    /// <summary>Whether a file holds measurements, by its first bytes.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static bool IsMemory(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] head = new byte[Magic.Length + 1];
        return stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) == head.Length && Encoding.ASCII.GetString(head) == Magic + " ";
    }

    /// <summary>Numbers by these names, from memory if all are there, else measured and kept.</summary>
    /// <param name="names">Their names.</param>
    /// <param name="measure">Measures them; tells its own progress.</param>
    /// <param name="recalled">Called where nothing had to be measured.</param>
    public double[] Recall(IReadOnlyList<string> names, Func<double[]> measure, Action recalled)
    {
        if (names.All(_numbers.ContainsKey))
        {
            recalled();
            return [.. names.Select(n => _numbers[n])];
        }

        double[] numbers = measure();
        var text = new StringBuilder();
        for (int i = 0; i < numbers.Length; i++)
        {
            _numbers[names[i]] = numbers[i];
            text.Append(names[i]).Append('\t').Append(numbers[i].ToString("R", CultureInfo.InvariantCulture)).Append('\n');
        }

        Append(text.ToString());
        return numbers;
    }

    /// <summary>The run is over: removes the file, unless it keeps numbers of another run that is not.</summary>
    public void Forget()
    {
        if (_file is null)
            return;
        _done[_fingerprint] = true;
        if (!_done.Values.All(done => done))
        {
            Append(Done + "\n");
            return;
        }

        _file.Dispose();
        _file = null;
        File.Delete(_path!);
    }

    /// <summary>Closes the file, which stays.</summary>
    public void Dispose() => _file?.Dispose();

    private void Read(string line)
    {
        if (line.StartsWith(Magic + " ", StringComparison.Ordinal))
        {
            _last = line;
            _done.TryAdd(line, false);
        }
        else if (line == Done)
        {
            _done[_last!] = true;
        }
        else if (_last == _fingerprint && line.Split('\t') is [var name, var text] && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number))
        {
            _numbers[name] = number;
        }
    }

    private void Append(string lines)
    {
        if (_path is null)
            return;
        // A file that appeared since is nobody's to write into.
        _file ??= new FileStream(_path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read);
        string text = _last == _fingerprint ? lines : _fingerprint + "\n" + lines;
        _last = _fingerprint;
        _done[_fingerprint] = false;
        _file.Write(Encoding.UTF8.GetBytes(text));
        _file.Flush();
    }
}
