namespace Kvant.Chat.Scheduling;

/// <summary>As many requests wait as may wait; later there is room again.</summary>
internal sealed class QueueFullException(int waiting) : InvalidOperationException($"{waiting} requests wait, as many as may; ask again later.");
