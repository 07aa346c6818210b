using System.Runtime.InteropServices;

namespace LlamaSpeed;

/// <summary>A model in llama.cpp, by the C interface of its library. Parameters are structures passed by value; only the fields that are set here
/// have places (version 0.5.0, as in <c>eng/make-model-goldens.py</c>).</summary>
internal sealed unsafe partial class Llama : IDisposable
{
    private static nint s_library;

    private readonly nint _model;
    private readonly nint _context;

    static Llama() => NativeLibrary.SetDllImportResolver(typeof(Llama).Assembly, static (name, _, _) => name == "llama" ? s_library : 0);

    public Llama(string path, int context, int threads)
    {
        _model = LoadModel(path, ModelParameters());
        Parameters parameters = ContextParameters();
        var settings = (int*)parameters.Bytes;
        settings[0] = context;
        settings[1] = settings[2] = 512; // batch and micro-batch
        settings[7] = settings[8] = threads; // for single tokens, for many
        _context = _model == 0 ? 0 : NewContext(_model, parameters);
        if (_context == 0)
            throw new InvalidOperationException($"llama.cpp cannot load '{path}'");
        Vocabulary = TokenCount(VocabularyOf(_model));
    }

    public int Vocabulary { get; }

    /// <summary>Loads the libraries from the folder <c>bins/linux-x64</c> of the npm package <c>@node-llama-cpp/linux-x64</c>.</summary>
    public static void Load(string folder)
    {
        string Library(string name) => Directory.GetFiles(folder, $"lib{name}.v*.so").Single();
        _ = NativeLibrary.Load(Path.Combine(folder, "libggml-base.so"));
        nint ggml = NativeLibrary.Load(Library("ggml"));
        s_library = NativeLibrary.Load(Library("llama"));
        SetLog(&Quiet, 0);
        ((delegate* unmanaged<nint, void>)NativeLibrary.GetExport(ggml, "ggml_backend_load_all_from_path"))(Marshal.StringToCoTaskMemUTF8(folder));
    }

    /// <summary>Reads tokens; the position goes on.</summary>
    public void Decode(int[] tokens)
    {
        fixed (int* t = tokens)
        {
            int status = Decode(_context, BatchOf(t, tokens.Length));
            if (status != 0)
                throw new InvalidOperationException($"llama_decode returned {status}");
        }

        Synchronize(_context);
    }

    /// <summary>The logits behind the last token.</summary>
    public ReadOnlySpan<float> Logits() => new(LogitsOf(_context, -1), Vocabulary);

    public void Clear() => ClearMemory(MemoryOf(_context), true);

    public void Dispose()
    {
        FreeContext(_context);
        FreeModel(_model);
    }

    [UnmanagedCallersOnly]
    private static void Quiet(int level, byte* text, nint data)
    {
        if (level >= 4)
            Console.Error.Write(Marshal.PtrToStringUTF8((nint)text));
    }

    [LibraryImport("llama", EntryPoint = "llama_log_set")]
    private static partial void SetLog(delegate* unmanaged<int, byte*, nint, void> log, nint data);

    [DllImport("llama", EntryPoint = "llama_model_default_params")]
    private static extern Parameters ModelParameters();

    [DllImport("llama", EntryPoint = "llama_context_default_params")]
    private static extern Parameters ContextParameters();

    [DllImport("llama", EntryPoint = "llama_model_load_from_file")]
    private static extern nint LoadModel([MarshalAs(UnmanagedType.LPUTF8Str)] string path, Parameters parameters);

    [DllImport("llama", EntryPoint = "llama_init_from_model")]
    private static extern nint NewContext(nint model, Parameters parameters);

    [DllImport("llama", EntryPoint = "llama_batch_get_one")]
    private static extern Batch BatchOf(int* tokens, int count);

    [DllImport("llama", EntryPoint = "llama_decode")]
    private static extern int Decode(nint context, Batch batch);

    [LibraryImport("llama", EntryPoint = "llama_synchronize")]
    private static partial void Synchronize(nint context);

    [LibraryImport("llama", EntryPoint = "llama_get_logits_ith")]
    private static partial float* LogitsOf(nint context, int place);

    [LibraryImport("llama", EntryPoint = "llama_get_memory")]
    private static partial nint MemoryOf(nint context);

    [LibraryImport("llama", EntryPoint = "llama_memory_clear")]
    private static partial void ClearMemory(nint memory, [MarshalAs(UnmanagedType.U1)] bool data);

    [LibraryImport("llama", EntryPoint = "llama_model_get_vocab")]
    private static partial nint VocabularyOf(nint model);

    [LibraryImport("llama", EntryPoint = "llama_vocab_n_tokens")]
    private static partial int TokenCount(nint vocabulary);

    [LibraryImport("llama", EntryPoint = "llama_free")]
    private static partial void FreeContext(nint context);

    [LibraryImport("llama", EntryPoint = "llama_model_free")]
    private static partial void FreeModel(nint model);

    // More than either structure has.
    private struct Parameters
    {
        public fixed byte Bytes[512];
    }

    private struct Batch
    {
        public fixed long Fields[7];
    }
}
