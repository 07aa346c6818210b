using Kvant.Caching;
using Kvant.Formats;
using Kvant.LlamaCpp;
using LLama;

namespace Kvant.LLamaSharp;

/// <summary>A <see cref="ChatSession"/> in a folder, as LLamaSharp saves it, but for the model's state, which is compressed.</summary>
public static class CompressedSessions
{
    private const string StateName = "ModelState.kvant";

    extension(ChatSession session)
    {
        /// <summary>Saves the session: executor, history and transforms as <see cref="ChatSession.SaveSession"/> does, and the context's state in <c>ModelState.kvant</c>.</summary>
        /// <param name="folder">The folder to create or replace; it appears whole or not at all.</param>
        /// <param name="options">How the state is compressed; null for the preset <c>balanced</c>.</param>
        /// <param name="cancellation">Stops between layers and leaves no folder.</param>
        /// <exception cref="IOException">The folder cannot be written.</exception>
        public void SaveCompressedSession(string folder, LlamaStateOptions? options = null, CancellationToken cancellation = default)
        {
            ArgumentNullException.ThrowIfNull(session);
            ArgumentException.ThrowIfNullOrEmpty(folder);
            StatefulExecutorBase executor = ExecutorOf(session);
            StatefulExecutorBase.ExecutorBaseState state = executor.GetStateData();
            string target = Path.GetFullPath(folder), staged = Path.Combine(Path.GetDirectoryName(target)!, AtomicFile.TemporaryName(Path.GetFileName(target)));
            try
            {
                new SessionState(null, state, session.History, session.InputTransformPipeline, session.OutputTransform, session.HistoryTransform).Save(staged);
                if (state.PastTokensCount > 0)
                    executor.Context.SaveCompressedState(Path.Combine(staged, StateName), null, options, null, cancellation);
                if (Directory.Exists(target))
                    Directory.Delete(target, recursive: true);
                Directory.Move(staged, target);
            }
            catch
            {
                if (Directory.Exists(staged))
                    Directory.Delete(staged, recursive: true);
                throw;
            }
        }

        /// <summary>Loads what <c>SaveCompressedSession</c> saved, into a session whose context has the same model.</summary>
        /// <param name="folder">The folder.</param>
        /// <param name="loadTransforms">Whether transforms are taken from there too.</param>
        /// <param name="expected">What the state must belong to; null for what the context's model says of itself.</param>
        /// <param name="cancellation">Stops between layers, before the session is touched.</param>
        /// <exception cref="InvalidDataException">The state is damaged or of another model; the session was not touched.</exception>
        /// <exception cref="InvalidOperationException">llama.cpp did not take it; the context is empty.</exception>
        public void LoadCompressedSession(string folder, bool loadTransforms = true, CacheIdentity? expected = null, CancellationToken cancellation = default)
        {
            ArgumentNullException.ThrowIfNull(session);
            ArgumentException.ThrowIfNullOrEmpty(folder);
            StatefulExecutorBase executor = ExecutorOf(session);
            SessionState state = SessionState.Load(folder);
            string path = Path.Combine(folder, StateName);
            if (!File.Exists(path))
            {
                session.LoadSession(state, loadTransforms);
                return;
            }

            using FileStream stream = File.OpenRead(path);
            using RestoredState restored = RestoredState.Of(executor.Context, null, LlamaStateFile.Open(stream, path), expected, 0, null, cancellation);
            session.LoadSession(state, loadTransforms); // and clears the context
            restored.Apply();
        }
    }

    // Others make no session.
    private static StatefulExecutorBase ExecutorOf(ChatSession session) => (StatefulExecutorBase)session.Executor;
}
