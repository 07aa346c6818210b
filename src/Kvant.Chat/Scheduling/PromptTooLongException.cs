namespace Kvant.Chat.Scheduling;

/// <summary>A prompt leaves no room in the model's context for a token behind it.</summary>
internal sealed class PromptTooLongException(int tokens, int context) : ArgumentException($"The prompt has {tokens} tokens; the context is {context}, and the answer needs one at least.");
