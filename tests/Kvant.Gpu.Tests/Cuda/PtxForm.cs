using System.Globalization;
using System.Text.RegularExpressions;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>An instruction's text in parts: what decoders take from it is known, and what is left over is refused.</summary>
internal sealed partial class PtxForm
{
    private readonly PtxAssembler _assembler;
    private readonly PtxStatement _statement;
    private readonly List<string> _modifiers;
    private readonly string[] _operands;
    private int _operandsSeen;

    public PtxForm(PtxAssembler assembler, PtxStatement statement, string opcode, string operands)
    {
        (_assembler, _statement) = (assembler, statement);
        string[] parts = opcode.Split('.');
        Name = parts[0];
        _modifiers = [.. parts[1..].Where(x => !PtxTypes.TryParse(x, out _))];
        Types = [.. parts[1..].Select(x => PtxTypes.TryParse(x, out PtxType type) ? type : PtxType.None).Where(x => x != PtxType.None)];
        _operands = [.. OperandPattern().Matches(operands).Select(x => x.Value.Trim()).Where(x => x.Length > 0)];
    }

    public string Name { get; }

    /// <summary>The types that the opcode names, in their order.</summary>
    public PtxType[] Types { get; }

    public PtxType Type => Types.Length > 0 ? Types[0] : throw Unsupported("no type");

    public int Operands => _operands.Length;

    public NotSupportedException Unsupported(string why) => _statement.Unsupported(why);

    /// <summary>Whether the opcode says this; it is known then.</summary>
    public bool Take(string modifier) => _modifiers.Remove(modifier);

    /// <summary>Which of these the opcode says; null where it says none.</summary>
    public string? TakeOne(params string[] modifiers) => modifiers.FirstOrDefault(Take);

    /// <summary>Refuses what no decoder took.</summary>
    public void Finish()
    {
        if (_modifiers.Count > 0)
            throw Unsupported($".{_modifiers[0]} is not known");
        if (_operandsSeen != _operands.Length)
            throw Unsupported($"it has {_operands.Length} operands, of which {_operandsSeen} are known");
    }

    public string Operand(int index)
    {
        if (index >= _operands.Length)
            throw Unsupported($"operand {index + 1} is missing");
        _operandsSeen = Math.Max(_operandsSeen, index + 1);
        return _operands[index];
    }

    /// <summary>The slot of a register that is written.</summary>
    public int Target(int index, PtxType type, bool wider = false) => Find(Operand(index), type, wider);

    /// <summary>The slot of an operand that is read: a register, a constant or the address of a variable.</summary>
    public int Source(int index, PtxType type, bool wider = false)
    {
        string text = Operand(index);
        if (text.Length > 0 && (char.IsAsciiDigit(text[0]) || text[0] == '-'))
            return _assembler.Constant(Number(text, type));
        return type.Size() >= 4 && !type.IsFloat() && _assembler.Address(text) is { } slot ? slot : Find(text, type, wider);
    }

    /// <summary>A constant that is part of the instruction.</summary>
    public ulong Constant(int index, PtxType type = PtxType.U32) => Number(Operand(index), type);

    /// <summary>The slots of operands in braces.</summary>
    public int[] Many(int index, PtxType type, bool wider = false)
    {
        string text = Operand(index);
        return text.StartsWith('{') && text.EndsWith('}') ? [.. text[1..^1].Split(',', StringSplitOptions.TrimEntries).Select(x =>
            char.IsAsciiDigit(x[0]) || x[0] == '-' ? _assembler.Constant(Number(x, type)) : Find(x, type, wider))] : throw Unsupported("operands in braces are asked for");
    }

    public bool IsMany(int index) => Operand(index).StartsWith('{');

    /// <summary>Slots that an instruction lists: where they begin.</summary>
    public int List(params IEnumerable<int> slots)
    {
        int start = _assembler.Lists.Count;
        _assembler.Lists.AddRange(slots);
        return start;
    }

    /// <summary>An address: the slot of what it begins at, the bytes past it, and whether it has 32 bits.</summary>
    public (int Slot, int Bytes, bool Narrow) Address(int index)
    {
        Match match = AddressPattern().Match(Operand(index));
        if (!match.Success)
            throw Unsupported("not an address");
        string name = match.Groups["name"].Value;
        int bytes = match.Groups["bytes"].Success ? int.Parse(match.Groups["bytes"].Value, CultureInfo.InvariantCulture) : 0;
        if (char.IsAsciiDigit(name[0]))
            return (_assembler.Constant(Number(name, PtxType.U64)), bytes, false);
        if (_assembler.Address(name) is { } slot)
            return (slot, bytes, false);
        (int register, PtxType type) = _assembler.Register(name) ?? throw Unsupported($"{name} is not declared");
        return type is PtxType.U64 or PtxType.B64 or PtxType.S64 ? (register, bytes, false)
            : type is PtxType.U32 or PtxType.B32 or PtxType.S32 ? (register, bytes, true) : throw Unsupported($"{name} holds no address");
    }

    /// <summary>The slot of a parameter of the kernel that an operand names in brackets.</summary>
    public int Parameter(int index, PtxType type)
    {
        string text = Operand(index).Trim('[', ']', ' ');
        (int slot, PtxType declared) = _assembler.Parameter(text.EndsWith("+0", StringComparison.Ordinal) ? text[..^2] : text) ?? throw Unsupported("no such parameter");
        return declared.Size() >= type.Size() ? slot : throw Unsupported("more than the parameter is read");
    }

    /// <summary>The slot of a register by its name.</summary>
    public int Find(string name, PtxType type, bool wider)
    {
        (int slot, PtxType declared) = _assembler.Register(name) ?? throw Unsupported($"{name} is not declared");
        return declared == PtxType.None || PtxTypes.Fits(declared, type, wider) ? slot : throw Unsupported($"{name} is {declared}, not {type}");
    }

    private ulong Number(string text, PtxType type)
    {
        bool negative = text.StartsWith('-');
        string digits = (negative ? text[1..] : text).TrimEnd('U');
        if (digits.Length == 10 && digits.StartsWith("0f", StringComparison.OrdinalIgnoreCase) && type.Size() == 4)
            return uint.Parse(digits.AsSpan(2), NumberStyles.HexNumber) ^ (negative ? 1u << 31 : 0);
        if (digits.Length == 18 && digits.StartsWith("0d", StringComparison.OrdinalIgnoreCase) && type.Size() == 8)
            return ulong.Parse(digits.AsSpan(2), NumberStyles.HexNumber) ^ (negative ? 1ul << 63 : 0);
        bool hexadecimal = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase), binary = digits.StartsWith("0b", StringComparison.OrdinalIgnoreCase);
        if (!hexadecimal && !binary && type is PtxType.F32 or PtxType.F64 && digits.Contains('.') && double.TryParse(digits, CultureInfo.InvariantCulture, out double value))
            return type == PtxType.F32 ? BitConverter.SingleToUInt32Bits((float)(negative ? -value : value)) : BitConverter.DoubleToUInt64Bits(negative ? -value : value);
        ulong number;
        bool octal = digits.Length > 1 && digits[0] == '0' && !hexadecimal && !binary;
        bool good = hexadecimal ? ulong.TryParse(digits.AsSpan(2), NumberStyles.HexNumber, null, out number)
            : binary ? ulong.TryParse(digits.AsSpan(2), NumberStyles.BinaryNumber, null, out number) : ulong.TryParse(digits, out number) & !octal;
        if (!good || type is PtxType.F32 or PtxType.F64)
            throw Unsupported($"{text} is not a constant of {type}");
        number = negative ? 0 - number : number;
        return type != PtxType.Pred ? number : number != 0 ? 1ul : 0;
    }

    [GeneratedRegex(@"\{[^}]*\}|\[[^\]]*\]|[^,{\[]+")]
    private static partial Regex OperandPattern();

    [GeneratedRegex(@"^\[\s*(?<name>[%\w$.]+)\s*(\+\s*(?<bytes>-?\d+))?\s*\]$")]
    private static partial Regex AddressPattern();
}
