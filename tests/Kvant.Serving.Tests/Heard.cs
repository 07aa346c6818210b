using Microsoft.Extensions.Logging;

namespace Kvant.Serving.Tests;

/// <summary>What loggers were told of faults: who was, and their kinds.</summary>
internal sealed class Heard : ILoggerProvider
{
    public List<(string Category, Type? Fault)> Errors { get; } = [];

    public ILogger CreateLogger(string categoryName) => new Ear(categoryName, Errors);

    public void Dispose()
    {
    }

    private sealed class Ear(string category, List<(string, Type?)> errors) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel >= LogLevel.Error)
                errors.Add((category, exception?.GetType()));
        }
    }
}
