using BenchmarkDotNet.Running;
using Kvant.Benchmarks;

// `rows` answers in a minute or so, every stage interleaved with a plain baseline; anything else goes to BenchmarkDotNet.
// The whole of it, attention, encoding and prefill, is measured by `kvant bench`.
if (args is ["rows", .. string[] specs])
    return RowsComparison.Run(specs);
BenchmarkSwitcher.FromAssembly(typeof(EncodeBenchmark).Assembly).Run(args);
return 0;
