using BenchmarkDotNet.Running;
using Kvant.Benchmarks;

// `encode` and `rows` answer in a minute or so, every stage interleaved with a plain baseline; anything else goes to BenchmarkDotNet.
if (args is ["encode", ..])
    return EncodeComparison.Run();
if (args is ["rows", .. string[] specs])
    return RowsComparison.Run(specs);
BenchmarkSwitcher.FromAssembly(typeof(EncodeBenchmark).Assembly).Run(args);
return 0;
