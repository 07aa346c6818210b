namespace Kvant.Models.Generation;

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">Who speaks: <c>system</c>, <c>user</c> or <c>assistant</c>.</param>
/// <param name="Content">What was said. Names of control tokens in it are only text.</param>
public sealed record ChatMessage(string Role, string Content);
