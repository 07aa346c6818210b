namespace Kvant.Models.Generation.Templates;

/// <summary>What a template is made of: text between tags, the beginnings and ends of tags, and names, signs, strings and numbers inside them.</summary>
internal readonly record struct TemplateToken(TemplateToken.Kinds Kind, string Text)
{
    internal enum Kinds
    {
        Data,
        BeginBlock,
        EndBlock,
        BeginOutput,
        EndOutput,
        Name,
        Sign,
        Literal,
        Digits,
        End,
    }
}
