using BenchmarkDotNet.Running;
using Kvant.Benchmarks;

// `rows` answers in a minute or so, every stage interleaved with a plain baseline; `memory` says what pools and forgotten caches take of the
// system; anything else goes to BenchmarkDotNet.
// The whole of it, attention, encoding and prefill, is measured by `kvant bench`.
if (args is ["rows", .. string[] specs])
    return RowsComparison.Run(specs);
if (args is ["memory"])
    return PoolMemory.Run();
BenchmarkSwitcher.FromAssembly(typeof(EncodeBenchmark).Assembly).Run(args);
return 0;
