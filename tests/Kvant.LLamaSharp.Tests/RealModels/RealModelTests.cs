using Kvant.Caching;
using Kvant.Models.Tests.RealModels;
using LLama.Native;
using LlamaStateBars;

namespace Kvant.LLamaSharp.Tests.RealModels;

public sealed class RealModelTests
{
    // llama.cpp rounds the activations of such weights to 8 bits: whatever changes at all changes predictions by some thousandths of a nat (docs/llamacpp.md).
    [Theory]
    [InlineData("quality", 1.75, .015)]
    [InlineData("balanced", 2.5, .02)]
    public void SmolLm2GoesOnWhereItWas(string preset, double smaller, double divergence)
    {
        string path = RealModel.Find(RealModel.SmolLm2);
        const int count = 500;
        using Engine engine = Mini.Open(model: path);
        int[] tokens = Mini.Tokens(engine, count + 30);
        engine.Read(tokens.AsSpan(0, count), 0);
        byte[] file = Mini.Save(engine, 0, new() { Policy = CachePreset.Named(preset).ForLayers(1) });
        Assert.InRange((double)engine.Context.NativeHandle.GetStateSize(LLamaSeqId.Zero) / file.Length, smaller, 8);
        List<float[]> wanted = engine.Follow(tokens.AsSpan(count), count);
        Mini.Load(engine, file, 0);
        List<float[]> found = engine.Follow(tokens.AsSpan(count), count);
        Assert.InRange(Divergence.Of(wanted, found).Average(), 0, divergence);
        // What would come of a state that was lost.
        engine.Context.NativeHandle.MemoryClear();
        Assert.InRange(Divergence.Of(wanted, engine.Follow(tokens.AsSpan(count), count)).Average(), 20 * divergence, 100);
    }
}
