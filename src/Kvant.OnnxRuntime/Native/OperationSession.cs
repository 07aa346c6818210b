using Kvant.OnnxRuntime.Graphs;
using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime.Native;

/// <summary>A session of a graph with operations of Kvant's.</summary>
internal sealed class OperationSession : IDisposable
{
    private readonly GraphOperation[] _operations;
    private readonly nint _domain;

    /// <summary>Opens a graph.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="folder">Where the files of its weights lie.</param>
    /// <param name="change">Changes the session's options; null for nothing.</param>
    /// <param name="operations">Its operations; they end with it.</param>
    public OperationSession(OnnxModel model, string? folder, Action<SessionOptions>? change, params GraphOperation[] operations)
    {
        _operations = operations;
        // What fails is thrown.
        using var settings = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
        change?.Invoke(settings);
        if (folder is not null)
            settings.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", folder);
        try
        {
            _domain = OrtFunctions.AddOperations(settings.DangerousGetHandle(), OnnxModel.OwnDomain, [.. operations.Select(operation => operation.Pointer)]);
            Session = new InferenceSession(model.Write(), settings);
        }
        catch
        {
            End();
            throw;
        }
    }

    public InferenceSession Session { get; }

    /// <summary>Runs it. What an operation threw is thrown here.</summary>
    public void Run(OrtIoBinding binding)
    {
        foreach (GraphOperation operation in _operations)
            operation.Failure = null;
        using var settings = new RunOptions();
        try
        {
            Session.RunWithBinding(settings, binding);
        }
        catch (OnnxRuntimeException) when (Array.Find(_operations, operation => operation.Failure is not null) is { } failed)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failed.Failure!);
            throw;
        }
    }

    public void Dispose()
    {
        Session.Dispose();
        End();
    }

    private void End()
    {
        OrtFunctions.ReleaseOperations(_domain);
        foreach (GraphOperation operation in _operations)
            operation.Dispose();
    }
}
