using System.Globalization;
using System.Text;
using Kvant.Formats;

namespace Kvant.Evaluation.Tuning;

/// <summary>
/// What was measured so far, in a small text file, so that a run that was stopped goes on where it was: a line with the fingerprint of
/// everything the numbers depend on, then a name and a number by line. Without a path it remembers nothing.
/// </summary>
internal sealed class TuneMemory
{
    private const int MostBytes = 64 << 20;

    private readonly string? _path;
    private readonly string _fingerprint;
    private readonly Dictionary<string, double> _numbers = [];

    public TuneMemory(string? path, string fingerprint)
    {
        (_path, _fingerprint) = (path, fingerprint);
        if (path is null || !File.Exists(path) || new FileInfo(path).Length > MostBytes)
            return;
        string[] lines = File.ReadAllLines(path);
        // Of another model, text or version of this tool: measured again.
        if (lines.Length == 0 || lines[0] != fingerprint)
            return;
        foreach (string line in lines.Skip(1))
        {
            string[] parts = line.Split('\t');
            if (parts.Length == 2 && double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double number))
                _numbers[parts[0]] = number;
        }
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
        for (int i = 0; i < numbers.Length; i++)
            _numbers[names[i]] = numbers[i];
        Save();
        return numbers;
    }

    /// <summary>Removes the file: the run is over.</summary>
    public void Forget()
    {
        if (_path is not null)
            File.Delete(_path);
    }

    private void Save()
    {
        if (_path is null)
            return;
        var text = new StringBuilder(_fingerprint).Append('\n');
        foreach ((string name, double number) in _numbers)
            text.Append(name).Append('\t').Append(number.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
        using AtomicFile file = AtomicFile.Create(_path);
        file.Stream.Write(Encoding.UTF8.GetBytes(text.ToString()));
        file.Commit();
    }
}
