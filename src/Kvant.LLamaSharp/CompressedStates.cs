using Kvant.Caching;
using Kvant.Formats;
using Kvant.LlamaCpp;
using Kvant.LlamaCpp.States;
using LLama;
using LLama.Native;

namespace Kvant.LLamaSharp;

/// <summary>
/// The state of a context of llama.cpp, compressed: what <see cref="LLamaContext"/> can do where this namespace is used. Keys and values are saved, logits are not: behind a state that was loaded at
/// least one token is read before the next can be chosen. docs/llamacpp.md says what it costs and loses.
/// </summary>
/// <remarks>As everything else of a context: one thread at a time.</remarks>
public static class CompressedStates
{
    extension(LLamaContext context)
    {
        /// <summary>Writes the state of the whole context, or of one sequence, compressed.</summary>
        /// <param name="destination">Receives it, front to back; it need not seek.</param>
        /// <param name="sequence">The sequence; null for the whole context.</param>
        /// <param name="options">How. What it does not say of the model is taken from the context. Null for the preset <c>balanced</c>.</param>
        /// <param name="done">Is told which share is done, from 0 to 1.</param>
        /// <param name="cancellation">Stops between layers.</param>
        /// <exception cref="InvalidDataException">The state is of a kind that is not taken.</exception>
        /// <exception cref="ArgumentException">The policy does not fit the model, or the context has no such sequence; nothing was written.</exception>
        public void SaveCompressedState(Stream destination, LLamaSeqId? sequence = null, LlamaStateOptions? options = null, IProgress<double>? done = null, CancellationToken cancellation = default)
        {
            ArgumentNullException.ThrowIfNull(context);
            ArgumentNullException.ThrowIfNull(destination);
            ContextLayout.RequireSequence(context, sequence);
            ModelFacts facts = ModelFacts.Of(context);
            using NativeBuffer buffer = NativeBuffer.Of(context, sequence);
            using UnmanagedMemoryStream stream = buffer.Open();
            LlamaState state = LlamaState.Read(stream);
            ContextLayout.Of(context).Learn(state);
            options ??= new();
            int layers = state.Parts.OfType<AttentionPart>().Sum(part => part.Layers.Length);
            options = options with { Geometry = options.Geometry ?? facts.GeometryOf(layers), Identity = options.Identity ?? facts.Identity };
            LlamaStateFile.Compress(state, destination, options, done, cancellation);
        }

        /// <summary>As above, to a file, which appears whole or not at all.</summary>
        /// <param name="path">The file to create or replace.</param>
        /// <param name="sequence">As above.</param>
        /// <param name="options">As above.</param>
        /// <param name="done">As above.</param>
        /// <param name="cancellation">As above; it leaves no file.</param>
        /// <exception cref="IOException">The file cannot be written.</exception>
        public void SaveCompressedState(string path, LLamaSeqId? sequence = null, LlamaStateOptions? options = null, IProgress<double>? done = null, CancellationToken cancellation = default)
        {
            using AtomicFile file = AtomicFile.Create(path);
            context.SaveCompressedState(file.Stream, sequence, options, done, cancellation);
            file.Commit();
        }

        /// <summary>Restores what <c>SaveCompressedState</c> wrote, into the whole context or one sequence, which may have another number than it had. Types of keys and values, flash attention and
        /// the number of streams may differ from those of the context that saved it, as far as rows are floats.</summary>
        /// <param name="source">Stands at its first byte; it need not seek.</param>
        /// <param name="sequence">The sequence that is replaced; null for the whole context.</param>
        /// <param name="expected">What the state must belong to; null for what the context's model says of itself.</param>
        /// <param name="threads">Threads that decode, at least 1; 0 for as many as there are processors.</param>
        /// <param name="done">Is told which share is done, from 0 to 1.</param>
        /// <param name="cancellation">Stops between layers, before the context is touched.</param>
        /// <returns>What was restored: tokens, if they were saved, and how many cells.</returns>
        /// <exception cref="InvalidDataException">It is damaged, of another model or other positions, or larger than the context; the context was not touched.</exception>
        /// <exception cref="ArgumentOutOfRangeException">The context has no such sequence.</exception>
        /// <exception cref="InvalidOperationException">llama.cpp did not take it, as where other sequences leave no room; what was in its place is gone.</exception>
        public LlamaStateFile LoadCompressedState(Stream source, LLamaSeqId? sequence = null, CacheIdentity? expected = null, int threads = 0, IProgress<double>? done = null, CancellationToken cancellation = default)
        {
            ArgumentNullException.ThrowIfNull(context);
            ContextLayout.RequireSequence(context, sequence);
            LlamaStateFile file = LlamaStateFile.Open(source, (source as FileStream)?.Name ?? "the state");
            using RestoredState restored = RestoredState.Of(context, sequence, file, expected, threads, done, cancellation);
            restored.Apply();
            return file;
        }

        /// <summary>As above, from a file.</summary>
        /// <param name="path">The file.</param>
        /// <param name="sequence">As above.</param>
        /// <param name="expected">As above.</param>
        /// <param name="threads">As above.</param>
        /// <param name="done">As above.</param>
        /// <param name="cancellation">As above.</param>
        /// <returns>As above.</returns>
        /// <exception cref="IOException">The file cannot be read.</exception>
        public LlamaStateFile LoadCompressedState(string path, LLamaSeqId? sequence = null, CacheIdentity? expected = null, int threads = 0, IProgress<double>? done = null, CancellationToken cancellation = default)
        {
            using FileStream stream = File.OpenRead(path);
            return context.LoadCompressedState(stream, sequence, expected, threads, done, cancellation);
        }
    }
}
