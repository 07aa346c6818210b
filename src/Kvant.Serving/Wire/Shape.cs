using System.Text.Json;

namespace Kvant.Serving.Wire;

/// <summary>What an answer is called and where its text stands: a turn of a conversation, or plain text.</summary>
internal abstract class Shape
{
    /// <summary>What identifiers begin with.</summary>
    public abstract string Prefix { get; }

    /// <summary>What a body is.</summary>
    /// <param name="isPart">Whether it is a part of a stream.</param>
    public abstract string Kind(bool isPart);

    /// <summary>The whole text.</summary>
    public abstract void Text(Utf8JsonWriter json, string text);

    /// <summary>A piece of it; null where none is left.</summary>
    public abstract void Piece(Utf8JsonWriter json, string? piece);

    /// <summary>Whether something comes before the first piece (<see cref="First"/>).</summary>
    public abstract bool HasFirst { get; }

    /// <summary>What comes before the first piece.</summary>
    public virtual void First(Utf8JsonWriter json)
    {
    }
}
