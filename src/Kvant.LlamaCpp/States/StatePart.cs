namespace Kvant.LlamaCpp.States;

/// <summary>A part of a state that one kind of memory wrote: <see cref="AttentionPart"/> or <see cref="RecurrentPart"/>.</summary>
internal abstract record StatePart
{
    /// <summary>Bytes of the part in a state.</summary>
    public abstract long StateBytes { get; }
}
