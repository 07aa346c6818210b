using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Kvant.OnnxRuntime.Native;

/// <summary>
/// Those functions of ONNX Runtime's C interface that operations of one's own need and that its .NET package does not show. They stand in a table that only ever grows at its
/// end (onnxruntime_c_api.h), so a place in it is as good as a name.
/// </summary>
internal static unsafe partial class OrtFunctions
{
    /// <summary>The version of the interface that is asked for: the first one with all that is used here.</summary>
    public const uint Version = 18;

    private static readonly nint* s_table = Load();

    /// <summary>Gives operations to the options of a session.</summary>
    /// <returns>Their domain, to be released behind the session.</returns>
    public static nint AddOperations(nint sessionOptions, string domain, ReadOnlySpan<nint> operations)
    {
        nint name = Marshal.StringToCoTaskMemUTF8(domain), created;
        try
        {
            Check(((delegate* unmanaged[Cdecl]<nint, nint*, nint>)s_table[26])(name, &created));
            foreach (nint operation in operations)
                Check(((delegate* unmanaged[Cdecl]<nint, nint, nint>)s_table[27])(created, operation));
            Check(((delegate* unmanaged[Cdecl]<nint, nint, nint>)s_table[28])(sessionOptions, created));
            return created;
        }
        finally
        {
            Marshal.FreeCoTaskMem(name);
        }
    }

    /// <summary>Ends a domain; 0 is none.</summary>
    public static void ReleaseOperations(nint domain)
    {
        if (domain != 0)
            ((delegate* unmanaged[Cdecl]<nint, void>)s_table[101])(domain);
    }

    public static nint CreateStatus(string message)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(message + '\0'))
            return ((delegate* unmanaged[Cdecl]<int, byte*, nint>)s_table[0])(1, text);
    }

    public static long NumberOf(nint kernelInfo, ReadOnlySpan<byte> attribute)
    {
        long number;
        fixed (byte* name = attribute)
            Check(((delegate* unmanaged[Cdecl]<nint, byte*, long*, nint>)s_table[86])(kernelInfo, name, &number));
        return number;
    }

    public static nint Input(nint context, int index)
    {
        nint value;
        Check(((delegate* unmanaged[Cdecl]<nint, nuint, nint*, nint>)s_table[90])(context, (nuint)index, &value));
        return value;
    }

    public static nint Output(nint context, int index, ReadOnlySpan<long> shape)
    {
        nint value;
        fixed (long* dimensions = shape)
            Check(((delegate* unmanaged[Cdecl]<nint, nuint, long*, nuint, nint*, nint>)s_table[91])(context, (nuint)index, dimensions, (nuint)shape.Length, &value));
        return value;
    }

    public static void* Data(nint value)
    {
        void* data;
        Check(((delegate* unmanaged[Cdecl]<nint, void**, nint>)s_table[51])(value, &data));
        return data;
    }

    public static long[] Shape(nint value)
    {
        nint info;
        Check(((delegate* unmanaged[Cdecl]<nint, nint*, nint>)s_table[65])(value, &info));
        try
        {
            nuint count;
            Check(((delegate* unmanaged[Cdecl]<nint, nuint*, nint>)s_table[61])(info, &count));
            long[] shape = new long[(int)count];
            fixed (long* dimensions = shape)
                Check(((delegate* unmanaged[Cdecl]<nint, long*, nuint, nint>)s_table[62])(info, dimensions, count));
            return shape;
        }
        finally
        {
            ((delegate* unmanaged[Cdecl]<nint, void>)s_table[99])(info);
        }
    }

    /// <summary>Calls work with 0 to parts - 1 on the threads of a session. What it throws is thrown here.</summary>
    public static void Run(nint context, Action<int> work, int parts)
    {
        var shared = new Parts(work);
        var handle = GCHandle.Alloc(shared);
        try
        {
            Check(((delegate* unmanaged[Cdecl]<nint, delegate* unmanaged[Cdecl]<nint, nuint, void>, nuint, nuint, nint, nint>)s_table[274])(context, &Do, (nuint)parts, (nuint)parts, GCHandle.ToIntPtr(handle)));
        }
        finally
        {
            handle.Free();
        }

        if (shared.Failure is not null)
            ExceptionDispatchInfo.Throw(shared.Failure);
    }

    // No exception may leave for code that is not managed.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Do(nint handle, nuint part)
    {
        var shared = (Parts)GCHandle.FromIntPtr(handle).Target!;
        try
        {
            shared.Work((int)part);
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref shared.Failure, e, null);
        }
    }

    private static void Check(nint status)
    {
        if (status == 0)
            return;
        string message = Marshal.PtrToStringUTF8(((delegate* unmanaged[Cdecl]<nint, nint>)s_table[2])(status)) ?? "";
        ((delegate* unmanaged[Cdecl]<nint, void>)s_table[93])(status);
        throw new InvalidOperationException($"ONNX Runtime: {message}");
    }

    private static nint* Load()
    {
        nint* table = (nint*)((delegate* unmanaged[Cdecl]<uint, nint>)OrtGetApiBase()[0])(Version);
        return table is not null ? table : throw new NotSupportedException($"This ONNX Runtime does not offer version {Version} of its C interface; take 1.{Version} or a newer one.");
    }

    [LibraryImport("onnxruntime")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories | DllImportSearchPath.AssemblyDirectory)]
    private static partial nint* OrtGetApiBase();

    private sealed class Parts(Action<int> work)
    {
        public Exception? Failure;

        public Action<int> Work => work;
    }
}
