using Microsoft.Extensions.AI;

namespace Kvant.Chat.Scheduling;

/// <summary>What became of an answer.</summary>
/// <param name="Text">All of it.</param>
/// <param name="Prompt">Tokens of the prompt.</param>
/// <param name="Cached">Of them those that nobody had to read.</param>
/// <param name="Written">Tokens that were written, the one that ended the answer included.</param>
/// <param name="Finish">Why there is no more.</param>
/// <param name="Time">From the question to the end.</param>
internal sealed record AnswerEnd(string Text, int Prompt, int Cached, int Written, ChatFinishReason Finish, TimeSpan Time);
