using System.Diagnostics;
using Kvant.Models.Tokenizers;
using StringBuilder = System.Text.StringBuilder;

namespace Kvant.Models.Generation;

/// <summary>A text while it is written: its tokens, the time that they took, and why there will be no more.</summary>
internal sealed class TextWriting(Tokenizer tokenizer, int mostTokens, Action<string>? receive, CancellationToken cancellation)
{
    private readonly TokenAssembler _assembler = tokenizer.CreateAssembler();
    private readonly List<int> _tokens = [];
    private readonly StringBuilder _text = new();
    private GenerationEnd _end = GenerationEnd.Limit;

    /// <summary>Runs while the model works, and not while the receiver does.</summary>
    public Stopwatch Watch { get; } = new();

    /// <summary>How many tokens may still come.</summary>
    public int Left => mostTokens - _tokens.Count;

    /// <summary>How often the model was run.</summary>
    public int Steps { get; set; }

    /// <summary>How many tokens were guessed.</summary>
    public int Guesses { get; set; }

    /// <summary>Whether another token is wanted.</summary>
    public bool MayGoOn()
    {
        if (Left == 0 || _end != GenerationEnd.Limit) return false;
        if (cancellation.IsCancellationRequested) _end = GenerationEnd.Canceled;
        return _end == GenerationEnd.Limit;
    }

    /// <summary>Takes the next token. People see it before the model has read it.</summary>
    public void Add(int token)
    {
        _tokens.Add(token);
        if (tokenizer.IsEnd(token)) _end = GenerationEnd.Model;
        Hand(_assembler.Append(token));
    }

    /// <summary>Ends for want of room.</summary>
    public void EndAtContext() => _end = GenerationEnd.Context;

    /// <summary>What was written.</summary>
    public GeneratedText Finish()
    {
        Hand(_assembler.Finish());
        return new GeneratedText { Text = _text.ToString(), Tokens = _tokens, End = _end, Speed = new TokenSpeed(_tokens.Count, Watch.Elapsed), Steps = Steps, Guesses = Guesses };
    }

    private void Hand(string piece)
    {
        if (piece.Length == 0) return;
        _text.Append(piece);
        receive?.Invoke(piece);
    }
}
