using System.Globalization;
using BenchmarkDotNet.Running;
using Kvant.Benchmarks;
using Kvant.Benchmarks.Serving;

// rows [SPEC...]               attention over rows beside plain floats
// sampler                      the choice of a token
// steps CODEC TOKENS COUNT     steps of attention and nothing else
// batch [THREADS [FORMAT]]     a step of many sequences beside one of one
// forks [PRESET...]            how even the steps of eight forks are
// vectors THREADS              how fast a query meets vectors on their own
// chunks [HOST:PORT]           what stored sequences take and how fast they come back
// serve-load MODEL.gguf S N [shared]   a server under load for S seconds by N connections, every answer compared with that of the same request alone
// serve-shared MODEL.gguf N    what N conversations through a server on one prompt wait and take
// serve-killed MODEL.gguf      a conversation through a server that is killed and started again
// serve-one MODEL.gguf N       what one user waits for through the client that many may use, on N threads
// tenants MODEL.gguf           how long looking up another tenant's prefix takes
// memory                       what pools and forgotten caches take of the system
// tokenizer MODEL.gguf TEXT    how fast text becomes tokens
// trellis BITS STARTS SHAKES   trains the tables of the trellis code
// Anything else goes to BenchmarkDotNet. The whole of it, attention, encoding and prefill, is measured by `kvant bench`.
if (args is ["rows", .. string[] specs])
    return RowsComparison.Run(specs);
if (args is ["steps", string codec, string tokens, string steps])
    return AttentionSteps.Run(codec, int.Parse(tokens, CultureInfo.InvariantCulture), int.Parse(steps, CultureInfo.InvariantCulture));
if (args is ["memory"])
    return PoolMemory.Run();
if (args is ["forks", .. string[] presets])
    return ForkSteps.Run(presets);
if (args is ["vectors", string threads])
    return VectorSearch.Run(int.Parse(threads, CultureInfo.InvariantCulture));
if (args is ["tokenizer", string model, string text])
    return TokenizerSpeed.Run(model, text);
if (args is ["chunks", .. string[] redis])
    return await ChunkSpeed.RunAsync(redis.FirstOrDefault());
if (args is ["batch", .. string[] batch])
    return BatchSteps.Run(batch.Length > 0 ? int.Parse(batch[0], CultureInfo.InvariantCulture) : 1, batch.Length > 1 ? batch[1] : "Q4_K");
if (args is ["served", string served, string store, string caches, string queue, string limit])
    return await ServedProcess.ServeAsync(served, store, caches, queue, limit);
if (args is ["serve-load", string loaded, string seconds, string connections, .. string[] prompts])
    return await ServerLoad.RunAsync(loaded, int.Parse(seconds, CultureInfo.InvariantCulture), int.Parse(connections, CultureInfo.InvariantCulture), prompts is ["shared"]);
if (args is ["serve-shared", string sharing, string together])
    return await ServedPrompts.SharedAsync(sharing, int.Parse(together, CultureInfo.InvariantCulture));
if (args is ["serve-killed", string killed])
    return await ServedPrompts.KilledAsync(killed);
if (args is ["serve-one", string one, string team])
    return await OneUser.RunAsync(one, int.Parse(team, CultureInfo.InvariantCulture));
if (args is ["tenants", string rented])
    return await TenantTimes.RunAsync(rented);
if (args is ["sampler"])
    return SamplerComparison.Run();
if (args is ["trellis", string bits, string starts, string shakes])
    return TrellisTraining.Run(int.Parse(bits, CultureInfo.InvariantCulture), int.Parse(starts, CultureInfo.InvariantCulture), int.Parse(shakes, CultureInfo.InvariantCulture));
BenchmarkSwitcher.FromAssembly(typeof(EncodeBenchmark).Assembly).Run(args);
return 0;
