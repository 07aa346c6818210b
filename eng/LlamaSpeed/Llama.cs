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

    /// <summary>Opens a model.</summary>
    /// <param name="path">A GGUF file.</param>
    /// <param name="context">Tokens that its cache has room for.</param>
    /// <param name="threads">Threads that compute.</param>
    /// <param name="type">How ggml numbers the type of keys and values: 1 is f16.</param>
    public Llama(string path, int context, int threads, int type = 1)
    {
        _model = LoadModel(path, ModelParameters());
        Parameters parameters = ContextParameters();
        var settings = (int*)parameters.Bytes;
        settings[0] = context;
        settings[1] = settings[2] = 512; // batch and micro-batch
        settings[7] = settings[8] = threads; // for single tokens, for many
        // Flash attention, without which values in small integers are refused; but it would round a cache of f32 to f16.
        settings[13] = type == 0 ? 0 : 1;
        settings[26] = settings[27] = type;
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

    /// <summary>Reads tokens, at most 512 of them, with the logits behind each.</summary>
    public void DecodeEach(ReadOnlySpan<int> tokens, Span<float> logits)
    {
        byte* wanted = stackalloc byte[tokens.Length];
        new Span<byte>(wanted, tokens.Length).Fill(1);
        fixed (int* t = tokens)
        {
            Batch batch = BatchOf(t, tokens.Length);
            batch.Fields[6] = (long)wanted;
            int status = Decode(_context, batch);
            if (status != 0)
                throw new InvalidOperationException($"llama_decode returned {status}");
        }

        Synchronize(_context);
        for (int i = 0; i < tokens.Length; i++) new ReadOnlySpan<float>(LogitsOf(_context, i), Vocabulary).CopyTo(logits[(i * Vocabulary)..]);
    }

    /// <summary>The logits behind the last token.</summary>
    public ReadOnlySpan<float> Logits() => new(LogitsOf(_context, -1), Vocabulary);

    public void Clear() => ClearMemory(MemoryOf(_context), true);

    /// <summary>Fills the cache with so many tokens: a short text is read, and the state of its sequence written back with its rows over and over.</summary>
    public void Fill(int tokens)
    {
        const int Short = 512;
        Clear();
        Decode([.. Enumerable.Range(0, Short).Select(i => i * 7 % 1000)]);
        byte[] state = new byte[checked((int)StateSize(_context, 0))];
        fixed (byte* bytes = state) GetState(_context, bytes, (nuint)state.Length, 0);
        using MemoryStream longer = new();
        using BinaryWriter to = new(longer);
        using BinaryReader from = new(new MemoryStream(state));
        to.Write(from.ReadBytes(12)); // magic, sequence, streams
        if (from.ReadInt32() != Short)
            throw new InvalidOperationException("llama.cpp's states have another layout than this program knows");
        to.Write(tokens);
        byte[] cell = from.ReadBytes(12 * Short)[..12];
        for (int i = 0; i < tokens; i++)
        {
            to.Write(i); // position; then the number of sequences and which
            to.Write(cell.AsSpan(4));
        }

        to.Write(from.ReadBytes(4)); // whether values are turned around
        int layers = from.ReadInt32();
        to.Write(layers);
        for (int i = 0; i < 2 * layers; i++)
        {
            to.Write(from.ReadInt32()); // type
            long row = from.ReadInt64();
            to.Write(row);
            byte[] rows = from.ReadBytes(checked((int)row * Short));
            for (int left = tokens; left > 0; left -= Short) to.Write(rows.AsSpan(0, checked((int)row * Math.Min(left, Short))));
        }

        Clear();
        fixed (byte* bytes = longer.GetBuffer())
        {
            if (SetState(_context, bytes, (nuint)longer.Length, 0) != (nuint)longer.Length)
                throw new InvalidOperationException($"llama.cpp refused a state of {tokens} tokens");
        }
    }

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

    [LibraryImport("llama", EntryPoint = "llama_state_seq_get_size")]
    private static partial nuint StateSize(nint context, int sequence);

    [LibraryImport("llama", EntryPoint = "llama_state_seq_get_data")]
    private static partial nuint GetState(nint context, byte* to, nuint size, int sequence);

    [LibraryImport("llama", EntryPoint = "llama_state_seq_set_data")]
    private static partial nuint SetState(nint context, byte* from, nuint size, int sequence);

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
