using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Kvant.OnnxRuntime.Graphs;

namespace Kvant.OnnxRuntime.Native;

/// <summary>
/// An operation of a graph whose work is done here: floats in, floats out, or halves. ONNX Runtime calls it by pointers (OrtCustomOp of onnxruntime_c_api.h), never after its
/// session has ended; keep it until then.
/// </summary>
internal sealed unsafe class GraphOperation : IDisposable
{
    // What ONNX Runtime sees, and behind it what belongs to us: its places are those of version 18.
    private const int Handle = 26, Name = 27, Inputs = 28, Outputs = 29, Type = 30, Places = 31;

    // Input 1 and output 0: who asks does not say of which operation.
    private static readonly int* s_same = Same();

    private readonly Action<int, GraphCall> _work;
    private readonly nint* _table;

    /// <summary>An operation.</summary>
    /// <param name="name">Its name in the graph.</param>
    /// <param name="inputs">How many inputs it has; those that a node leaves out at the end are not asked for.</param>
    /// <param name="outputs">How many outputs it has.</param>
    /// <param name="isHalf">Whether all of them are halves; else floats.</param>
    /// <param name="work">What it does, told the node's attribute <c>number</c>. What it throws comes out of <see cref="Failure"/>.</param>
    /// <param name="writesInput">Whether its output is its second input, written anew: in the same memory, where the runtime agrees.</param>
    public GraphOperation(string name, int inputs, int outputs, bool isHalf, Action<int, GraphCall> work, bool writesInput = false)
    {
        _work = work;
        _table = (nint*)NativeMemory.AllocZeroed(Places, (nuint)sizeof(nint));
        _table[0] = (nint)OrtFunctions.Version;
        _table[2] = (nint)(delegate* unmanaged[Cdecl]<nint*, nint>)&NameOf;
        _table[3] = (nint)(delegate* unmanaged[Cdecl]<nint*, nint>)&ProviderOf;
        _table[4] = _table[6] = (nint)(delegate* unmanaged[Cdecl]<nint*, nuint, int>)&TypeOf;
        _table[5] = (nint)(delegate* unmanaged[Cdecl]<nint*, nuint>)&InputCount;
        _table[7] = (nint)(delegate* unmanaged[Cdecl]<nint*, nuint>)&OutputCount;
        _table[9] = (nint)(delegate* unmanaged[Cdecl]<nint, void>)&Destroy;
        _table[10] = (nint)(delegate* unmanaged[Cdecl]<nint*, nuint, int>)&Optional;
        _table[11] = (nint)(delegate* unmanaged[Cdecl]<nint*, nuint, int>)&Required;
        _table[12] = (nint)(delegate* unmanaged[Cdecl]<nint*, nuint, int>)&Memory;
        _table[17] = (nint)(delegate* unmanaged[Cdecl]<nint*, nint, nint, nint*, nint>)&Create;
        _table[18] = (nint)(delegate* unmanaged[Cdecl]<nint, nint, nint>)&Compute;
        _table[20] = (nint)(delegate* unmanaged[Cdecl]<nint*, int>)&FirstVersion;
        _table[21] = (nint)(delegate* unmanaged[Cdecl]<nint*, int>)&LastVersion;
        if (writesInput)
        {
            _table[24] = (nint)(delegate* unmanaged[Cdecl]<int**, int**, nuint>)&SameMemory;
            _table[25] = (nint)(delegate* unmanaged[Cdecl]<int*, int*, void>)&Release;
        }

        _table[Handle] = GCHandle.ToIntPtr(GCHandle.Alloc(this));
        _table[Name] = Marshal.StringToCoTaskMemUTF8(name);
        (_table[Inputs], _table[Outputs], _table[Type]) = (inputs, outputs, isHalf ? OnnxTensor.Half : OnnxTensor.Float);
    }

    /// <summary>What ONNX Runtime is given.</summary>
    public nint Pointer => (nint)_table;

    /// <summary>What the last call threw; null if it did not.</summary>
    public Exception? Failure { get; set; }

    public void Dispose()
    {
        GCHandle.FromIntPtr(_table[Handle]).Free();
        Marshal.FreeCoTaskMem(_table[Name]);
        NativeMemory.Free(_table);
    }

    private static int* Same()
    {
        int* same = (int*)NativeMemory.Alloc(2, sizeof(int));
        (same[0], same[1]) = (1, 0);
        return same;
    }

    private static GraphOperation Of(nint handle) => (GraphOperation)GCHandle.FromIntPtr(handle).Target!;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint NameOf(nint* table) => table[Name];

    // Null is the processor.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint ProviderOf(nint* table) => 0;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int TypeOf(nint* table, nuint index) => (int)table[Type];

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint InputCount(nint* table) => (nuint)table[Inputs];

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint OutputCount(nint* table) => (nuint)table[Outputs];

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Required(nint* table, nuint index) => 0;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Optional(nint* table, nuint index) => index == 0 ? 0 : 1;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Memory(nint* table, nuint index) => 0;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int FirstVersion(nint* table) => 1;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int LastVersion(nint* table) => int.MaxValue;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint SameMemory(int** inputs, int** outputs)
    {
        *inputs = s_same;
        *outputs = s_same + 1;
        return 1;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Release(int* inputs, int* outputs)
    {
        // They are there for all.
    }

    // A kernel is a node of a graph: which one, and whose operation.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint Create(nint* table, nint api, nint info, nint* kernel)
    {
        try
        {
            nint* created = (nint*)NativeMemory.Alloc(2, (nuint)sizeof(nint));
            (created[0], created[1]) = (table[Handle], (nint)OrtFunctions.NumberOf(info, "number\0"u8));
            *kernel = (nint)created;
            return 0;
        }
        catch (Exception e)
        {
            return OrtFunctions.CreateStatus(e.Message);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Destroy(nint kernel) => NativeMemory.Free((void*)kernel);

    // No exception may leave for code that is not managed.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint Compute(nint kernel, nint context)
    {
        GraphOperation operation = Of(((nint*)kernel)[0]);
        try
        {
            operation._work((int)((nint*)kernel)[1], new GraphCall(context));
            return 0;
        }
        catch (Exception e)
        {
            operation.Failure = e;
            return OrtFunctions.CreateStatus(e.Message);
        }
    }
}
