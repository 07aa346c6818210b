using System.Text.RegularExpressions;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Turns the statements of a kernel into instructions, and names into slots.</summary>
internal sealed partial class PtxAssembler(PtxStatement header, string name)
{
    private readonly List<PtxInstruction> _code = [];
    private readonly List<(int Instruction, PtxStatement Statement, string Label, PtxScope Scope)> _branches = [];
    private readonly List<int> _lists = [];
    private readonly Dictionary<ulong, int> _constants = [];
    private readonly Dictionary<string, (int Slot, PtxType Type)> _parameters = [];
    private readonly Dictionary<string, int> _addresses = [];
    private readonly PtxSpace _shared = new(), _local = new();
    private int _slots = PtxKernel.FirstParameterSlot;
    private PtxScope _scope = new(null);

    /// <summary>The list of slots of instructions that have many operands.</summary>
    public List<int> Lists => _lists;

    public void AddParameter(string parameter, PtxType type) => _parameters.Add(parameter, (_slots++, type));

    public void Declare(PtxDeclaration declaration)
    {
        PtxSpace space = declaration.Space == "shared" ? _shared : _local;
        int offset = declaration.IsExternal ? -1 : space.Add(declaration.Name, declaration.Count * declaration.Type.Size(), declaration.Align).Offset;
        if (!_addresses.TryAdd(declaration.Name, offset))
            throw declaration.Statement.Unsupported("a second variable of that name");
    }

    public unsafe PtxKernel Assemble(PtxText reader, int maximum, int required)
    {
        for (int depth = 1; depth > 0;)
        {
            PtxStatement statement = reader.Next() ?? throw header.Unsupported("a kernel that does not end");
            switch (statement.End)
            {
                case '{' when statement.Text.Length == 0:
                    _scope = new(_scope);
                    depth++;
                    break;
                case '}':
                    _scope = _scope.Parent ?? _scope;
                    depth--;
                    break;
                case ':':
                    if (!_scope.Labels.TryAdd(statement.Text, _code.Count))
                        throw statement.Unsupported("a second label of that name");
                    break;
                case '\n' when statement.Text.StartsWith(".loc ", StringComparison.Ordinal) || statement.Text.StartsWith(".loc\t", StringComparison.Ordinal):
                    break;
                case ';':
                    Statement(statement);
                    break;
                default:
                    throw statement.Unsupported("not known here");
            }
        }

        // The end of the text ends a thread too.
        _code.Add(new() { Step = PtxStep.Exit, Guard = -1, Line = header.Line });
        PtxInstruction[] code = GC.AllocateArray<PtxInstruction>(_code.Count, pinned: true);
        _code.CopyTo(code);
        foreach ((int instruction, PtxStatement statement, string label, PtxScope scope) in _branches)
            code[instruction].Target = scope.Label(label) ?? throw statement.Unsupported("no such label");
        int[] lists = GC.AllocateArray<int>(Math.Max(_lists.Count, 1), pinned: true);
        _lists.CopyTo(lists);
        var frame = new ulong[_slots];
        Array.Fill(frame, 0xA5A5A5A5A5A5A5A5);
        foreach ((ulong bits, int slot) in _constants)
            frame[slot] = bits;
        return new()
        {
            Name = name,
            ParameterBytes = [.. _parameters.Values.Select(x => x.Type.Size())],
            MaxThreads = maximum,
            RequiredThreads = required,
            Code = code,
            Lists = lists,
            Frame = frame,
            Shared = _shared,
            Local = _local,
        };
    }

    public int Constant(ulong bits)
    {
        if (!_constants.TryGetValue(bits, out int slot))
            _constants.Add(bits, slot = _slots++);
        return slot;
    }

    public (int Slot, PtxType Type)? Register(string register) => register switch
    {
        "%tid.x" => (PtxKernel.ThreadSlot, PtxType.U32),
        "%ntid.x" => (PtxKernel.ThreadsSlot, PtxType.U32),
        "%ctaid.x" => (PtxKernel.GroupSlot, PtxType.U32),
        "%nctaid.x" => (PtxKernel.GroupsSlot, PtxType.U32),
        "%laneid" => (PtxKernel.LaneSlot, PtxType.U32),
        "%warpid" => (PtxKernel.WarpSlot, PtxType.U32),
        // Groups and grids have one dimension.
        "%tid.y" or "%tid.z" or "%ctaid.y" or "%ctaid.z" => (Constant(0), PtxType.U32),
        "%ntid.y" or "%ntid.z" or "%nctaid.y" or "%nctaid.z" => (Constant(1), PtxType.U32),
        "WARP_SZ" => (Constant(32), PtxType.B32),
        "_" => (_slots++, PtxType.None),
        _ => _scope.Register(register),
    };

    public (int Slot, PtxType Type)? Parameter(string parameter) => _parameters.TryGetValue(parameter, out (int, PtxType) found) ? found : null;

    /// <summary>The slot of the address of a variable in its space.</summary>
    public int? Address(string variable) => _addresses.TryGetValue(variable, out int offset) ? Constant((ulong)(offset < 0 ? _shared.Dynamic : offset)) : null;

    private void Statement(PtxStatement statement)
    {
        string text = statement.Text;
        if (text.StartsWith(".pragma", StringComparison.Ordinal))
            return;
        if (text.StartsWith('.'))
        {
            if (PtxDeclaration.TryParseRegisters(statement, out PtxType type, out List<string> names))
            {
                foreach (string register in names)
                    if (!_scope.Registers.TryAdd(register, (_slots++, type)))
                        throw statement.Unsupported("a second register of that name");
            }
            else if (PtxDeclaration.TryParse(statement, out PtxDeclaration? declaration))
                Declare(declaration);
            else
                throw statement.Unsupported("not known here");
            return;
        }

        Match match = InstructionPattern().Match(text);
        if (!match.Success)
            throw statement.Unsupported("not an instruction");
        var form = new PtxForm(this, statement, match.Groups["opcode"].Value, match.Groups["operands"].Value);
        int guard = match.Groups["guard"].Success ? form.Find(match.Groups["guard"].Value, PtxType.Pred, false) : -1;
        if (form.Name == "bra")
            _branches.Add((_code.Count, statement, form.Operand(0), _scope));
        PtxInstruction instruction = PtxDecoder.Decode(form);
        instruction.Line = statement.Line;
        instruction.Guard = guard;
        instruction.GuardNot = match.Groups["not"].Success;
        _code.Add(instruction);
    }

    [GeneratedRegex(@"^(@(?<not>!)?\s*(?<guard>[%\w$]+)\s+)?(?<opcode>[a-zA-Z][\w.:]*)(\s+(?<operands>.*))?$", RegexOptions.Singleline)]
    private static partial Regex InstructionPattern();
}

/// <summary>Names between a pair of braces; those of the outer ones are known within.</summary>
internal sealed class PtxScope(PtxScope? parent)
{
    public PtxScope? Parent => parent;

    public Dictionary<string, (int Slot, PtxType Type)> Registers { get; } = [];

    public Dictionary<string, int> Labels { get; } = [];

    public (int Slot, PtxType Type)? Register(string name) => Registers.TryGetValue(name, out (int, PtxType) found) ? found : parent?.Register(name);

    public int? Label(string name) => Labels.TryGetValue(name, out int found) ? found : parent?.Label(name);
}
