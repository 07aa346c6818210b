using System.Globalization;
using Kvant.Cli.Files;

namespace Kvant.Cli.Output;

/// <summary>How far a command has come: what is said when it is interrupted, and what has to be removed then.</summary>
internal sealed class CommandState
{
    private readonly Lock _lock = new();
    private readonly List<string> _finished = [];
    private string? _running;
    private int _ended;
    private double _share;

    /// <summary>The files of the command; null before they are known.</summary>
    public CommandFiles? Files { get; set; }

    /// <summary>Says what a stopped command leaves for the next run; null where it leaves nothing.</summary>
    public Func<string?> Kept { get; set; } = static () => null;

    /// <summary>Whether the caller is the first who has the last word; there is one line about the end of a command.</summary>
    public bool TryEnd() => Interlocked.Exchange(ref _ended, 1) == 0;

    /// <summary>A long job begins.</summary>
    public void Begin(string title)
    {
        lock (_lock)
            (_running, _share) = (title, 0);
    }

    /// <summary>So much of it is done, from 0 to 1.</summary>
    public void Report(double share)
    {
        lock (_lock)
            _share = share;
    }

    /// <summary>It has ended.</summary>
    public void End()
    {
        lock (_lock)
        {
            _finished.Add(_running!);
            _running = null;
        }
    }

    /// <summary>One line: where the command was stopped and what there is of its results.</summary>
    public string Describe()
    {
        lock (_lock)
        {
            string text = "interrupted";
            if (_running is not null)
                text += string.Create(CultureInfo.InvariantCulture, $" while {_running} ({Math.Floor(100 * Math.Clamp(_share, 0, 1))} % done)");
            if (_finished.Count > 0)
                text += $" after {string.Join(" and ", _finished)}";
            if (Kept() is { } kept)
                text += $"; {kept}";
            if (Files is { HasOutputs: true } files)
                text += files.Written.Count > 0 ? $"; written: {string.Join(", ", files.Written.Select(f => $"'{f}'"))}" : "; no file was written";
            return text;
        }
    }
}
