using System.Diagnostics;
using Kvant.Caching;
using Microsoft.Extensions.AI;

namespace Kvant.Chat.Scheduling;

// What a round computes.
internal sealed partial class Scheduler
{
    // A short piece costs at least such a part of a whole one: so many of them fit into a round.
    private const int ShortPieces = 4;

    // Grows with each piece, and with each that begins.
    private long _pieces;

    // Pieces of as many tokens as one whole piece has.
    private bool ReadPieces()
    {
        bool worked = false;
        for (int left = _options.Batch; left > 0;)
        {
            int count = ReadPiece(ref worked);
            if (count == 0)
                break;
            left -= Math.Max(count, _options.Batch / ShortPieces);
        }

        return worked;
    }

    // One piece of the prompt that has waited longest, so that a short one does not wait for the whole of a long one. Pieces are as long as they are whoever else is there, so that the text does not depend on company.
    private int ReadPiece(ref bool worked)
    {
        while (_running.Where(a => a.IsReading && a.Sequence is not null).MinBy(a => a.LastPiece) is { } answer)
        {
            int count = Math.Min(_options.Batch, answer.Prompt.Length - answer.Sequence!.Tokens.Length);
            if (HasRoomToAppend([answer], count))
            {
                worked = true;
                ReadPiece(answer, count);
                return count;
            }

            // Whoever is put away for it may be itself: then another's turn is now, or none would ever come.
            if (!MakeRoom())
                return 0;
            worked = true;
        }

        return 0;
    }

    private void ReadPiece(Answer answer, int count)
    {
        Sequence sequence = answer.Sequence!;
        int at = sequence.Tokens.Length;
        bool last = at + count == answer.Prompt.Length;
        answer.LastPiece = ++_pieces;
        if (!sequence.Cache.FitsLimit(count))
        {
            // Its own limit: nobody could make room.
            Fail(answer, new CacheFullException(sequence.Cache.BytesToAppend(count), sequence.Cache.Statistics.TotalBytes, sequence.Cache.Options.MemoryLimit!.Value));
            return;
        }

        long start = Stopwatch.GetTimestamp();
        if (!Try([answer], () => _model.Read(sequence.Cache, answer.Prompt.AsSpan(at, count), last ? _logits.AsMemory(0, _model.VocabularySize) : default)))
            return;
        sequence.Add(answer.Prompt.AsSpan(at, count));
        ChatMetrics.Piece(Stopwatch.GetElapsedTime(start));
        ChatMetrics.Tokens("read", count);
        if (last)
        {
            Try([answer], () =>
            {
                answer.BeginWriting(_tokenizer, _model.VocabularySize);
                answer.Choose(_logits.AsSpan(0, _model.VocabularySize), _tokenizer);
                ChatMetrics.First(answer.Time);
            });
        }
    }

    // A token for each sequence that writes, some of them at a time.
    private bool Step()
    {
        Answer[] writing = [.. _running.Where(a => !a.IsReading && a.Sequence is not null)];
        long start = Stopwatch.GetTimestamp();
        bool worked = false;
        for (int first = 0; first < writing.Length; first += _options.StepSequences)
            worked |= Step([.. writing.Skip(first).Take(_options.StepSequences).Where(a => a.Sequence is not null)]);
        if (worked)
            ChatMetrics.Step(Stopwatch.GetElapsedTime(start));
        return worked;
    }

    private bool Step(Answer[] writing)
    {
        foreach (Answer full in writing.Where(a => a.Sequence!.Tokens.Length >= _model.Context || !a.Sequence.Cache.FitsLimit(1)))
            Complete(full, ChatFinishReason.Length);
        writing = [.. writing.Where(a => a.Sequence is not null)];
        // Whoever is left makes its step now: before the next round brings anybody back.
        while (writing.Length > 0 && !HasRoomToAppend(writing, 1))
        {
            if (!MakeRoom())
                return false;
            writing = [.. writing.Where(a => a.Sequence is not null)];
        }

        if (writing.Length == 0)
            return true;
        int vocabulary = _model.VocabularySize;
        KvCache[] caches = [.. writing.Select(a => a.Sequence!.Cache)];
        int[] tokens = [.. writing.Select(a => a.Next)];
        if (!Try(writing, () => _model.Step(caches, tokens, _logits.AsMemory(0, writing.Length * vocabulary))))
            return true;
        for (int i = 0; i < writing.Length; i++)
        {
            Answer answer = writing[i];
            answer.Sequence!.Add([tokens[i]]);
            if (answer.Finish is { } finish)
                Complete(answer, finish);
            else
                Try([answer], () => answer.Choose(_logits.AsSpan(i * vocabulary, vocabulary), _tokenizer));
        }

        return true;
    }

    // What a call does to the answers that it is for; where it fails they do, and nobody else.
    private bool Try(Answer[] answers, Action call)
    {
        try
        {
            call();
            return true;
        }
        catch (CacheFullException)
        {
            // Somebody else took the room meanwhile; what the call had put into the caches is taken back.
            MakeRoom();
        }
        catch (Exception e)
        {
            LogFailure(_logger, e, answers.Length);
            foreach (Answer answer in answers)
                Fail(answer, e);
        }

        return false;
    }
}
