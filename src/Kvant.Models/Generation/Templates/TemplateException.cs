namespace Kvant.Models.Generation.Templates;

/// <summary>A chat template says something that is not understood, or refuses a conversation itself.</summary>
internal sealed class TemplateException(string message) : Exception(message);
