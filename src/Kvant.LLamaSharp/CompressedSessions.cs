using Kvant.Caching;
using Kvant.Formats;
using Kvant.LlamaCpp;
using LLama;

namespace Kvant.LLamaSharp;

/// <summary>A <see cref="ChatSession"/> in a folder, as LLamaSharp saves it, but for the model's state, which is compressed.</summary>
public static class CompressedSessions
{
    private const string StateName = "ModelState.kvant";

    private static readonly string?[] s_names =
    [
        StateName, ChatSession.MODEL_STATE_FILENAME, ChatSession.EXECUTOR_STATE_FILENAME, ChatSession.HISTORY_STATE_FILENAME,
        ChatSession.INPUT_TRANSFORM_FILENAME, ChatSession.OUTPUT_TRANSFORM_FILENAME, ChatSession.HISTORY_TRANSFORM_FILENAME,
    ];

    extension(ChatSession session)
    {
        /// <summary>Saves the session: executor, history and transforms as <see cref="ChatSession.SaveSession"/> does, and the context's state in <c>ModelState.kvant</c>.</summary>
        /// <param name="folder">The folder to create, or to replace where it holds a session and nothing else; it appears whole or not at all.</param>
        /// <param name="options">How the state is compressed; null for the preset <c>balanced</c>.</param>
        /// <param name="cancellation">Stops between layers and leaves no folder.</param>
        /// <exception cref="IOException">The folder cannot be written, or it has something that is no part of a session.</exception>
        public void SaveCompressedSession(string folder, LlamaStateOptions? options = null, CancellationToken cancellation = default)
        {
            ArgumentNullException.ThrowIfNull(session);
            ArgumentException.ThrowIfNullOrEmpty(folder);
            StatefulExecutorBase executor = ExecutorOf(session);
            StatefulExecutorBase.ExecutorBaseState state = executor.GetStateData();
            string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
            RequireReplaceable(target);
            string staged = Beside(target);
            try
            {
                new SessionState(null, state, session.History, session.InputTransformPipeline, session.OutputTransform, session.HistoryTransform).Save(staged);
                if (state.PastTokensCount > 0)
                    executor.Context.SaveCompressedState(Path.Combine(staged, StateName), null, options, null, cancellation);
                RequireReplaceable(target);
                Replace(target, staged);
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

    // What stood there goes once what comes is in its place.
    private static void Replace(string target, string staged)
    {
        if (!Directory.Exists(target))
        {
            Directory.Move(staged, target);
            return;
        }

        string old = Beside(target);
        Directory.Move(target, old);
        try
        {
            Directory.Move(staged, target);
        }
        catch
        {
            Directory.Move(old, target);
            throw;
        }

        Directory.Delete(old, recursive: true);
    }

    private static string Beside(string target) => Path.Combine(Path.GetDirectoryName(target)!, AtomicFile.TemporaryName(Path.GetFileName(target)));

    private static void RequireReplaceable(string target)
    {
        if (Path.GetDirectoryName(target) is null || File.Exists(target))
            throw new IOException($"'{target}' is {(File.Exists(target) ? "a file" : "the root of a file system")}; name a folder for the session.");
        if (Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Select(Path.GetFileName).FirstOrDefault(name => !s_names.Contains(name)) is { } other)
            throw new IOException($"'{target}' has '{other}', which is no part of a session; name another folder.");
    }

    // Others make no session.
    private static StatefulExecutorBase ExecutorOf(ChatSession session) => (StatefulExecutorBase)session.Executor;
}
