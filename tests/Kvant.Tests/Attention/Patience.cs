namespace Kvant.Tests.Attention;

/// <summary>Threads of tests about waiting. What must end ends, however slow the machine is; only a failure takes the whole time.</summary>
internal static class Patience
{
    private static readonly TimeSpan s_most = TimeSpan.FromMinutes(2);

    /// <summary>Runs code on a thread of its own.</summary>
    public static Job Start(Action work) => new(work);

    /// <summary>Waits until something holds.</summary>
    public static void Until(Func<bool> holds, string what) => Assert.True(SpinWait.SpinUntil(holds, s_most), $"Waited in vain: {what}.");

    internal sealed class Job
    {
        private readonly Thread _thread;
        private Exception? _failure;

        public Job(Action work)
        {
            _thread = new Thread(() =>
            {
                try
                {
                    work();
                }
                catch (Exception failure)
                {
                    _failure = failure;
                }
            })
            { IsBackground = true };
            _thread.Start();
        }

        public bool IsAlive => _thread.IsAlive;

        /// <summary>Fails if the code ends although nothing lets it.</summary>
        public void AssertWaits(string what) => Assert.False(_thread.Join(50), $"It did not wait: {what}.");

        /// <summary>Waits for the end and hands out what the code threw.</summary>
        public Exception? Failure(string what)
        {
            Assert.True(_thread.Join(s_most), $"It waited for ever: {what}.");
            return _failure;
        }

        public void AssertEnds(string what) => Assert.Null(Failure(what));
    }
}
