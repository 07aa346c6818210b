using BenchmarkDotNet.Running;
using Kvant.Benchmarks;

// `encode` answers in half a minute, every stage interleaved with a plain copy of the same rows; anything else goes to BenchmarkDotNet.
if (args is ["encode", ..])
    return EncodeComparison.Run();
BenchmarkSwitcher.FromAssembly(typeof(EncodeBenchmark).Assembly).Run(args);
return 0;
