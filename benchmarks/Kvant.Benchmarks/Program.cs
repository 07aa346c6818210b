using BenchmarkDotNet.Running;
using Kvant.Benchmarks;

<<<<<<< HEAD
// `rows` answers in a minute or so, every stage interleaved with a plain baseline; `memory` says what pools and forgotten caches take of the
// system; anything else goes to BenchmarkDotNet.
// The whole of it, attention, encoding and prefill, is measured by `kvant bench`.
if (args is ["rows", .. string[] specs])
    return RowsComparison.Run(specs);
if (args is ["memory"])
    return PoolMemory.Run();
=======
// `rows` and `sampler` answer in a minute or so, everything interleaved with a plain baseline; anything else goes to BenchmarkDotNet.
// The whole of it, attention, encoding and prefill, is measured by `kvant bench`.
if (args is ["rows", .. string[] specs])
    return RowsComparison.Run(specs);
if (args is ["sampler"])
    return SamplerComparison.Run();
>>>>>>> 9340c51 (Chat templates run the file's own program; a later turn alone; top-p without a sort of the vocabulary; tests with a real model)
BenchmarkSwitcher.FromAssembly(typeof(EncodeBenchmark).Assembly).Run(args);
return 0;
