using Kvant.Caching;
using Kvant.LLamaSharp;
using LLama.Common;
using LLama.Native;

namespace LlamaStateBars;

/// <summary>Contexts of every kind: a state that is saved in one goes on in another of its kind, bit for bit without compression, and with <c>quality</c> the same tokens follow.</summary>
internal static class Runs
{
    private const int Written = 20;

    private static readonly (string Name, GGMLType Type)[] s_types = [("f16", GGMLType.GGML_TYPE_F16), ("bf16", (GGMLType)30), ("f32", GGMLType.GGML_TYPE_F32)];

    public static int Run(string model, string text, int count)
    {
        int wrong = 0;
        Console.WriteLine("| flash attention | streams | sequences | rows | context | exact: greedy tokens equal | quality |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach (bool flash in (bool[])[true, false])
        {
            foreach (int sequences in (int[])[1, 4])
            {
                foreach (bool unified in sequences == 1 ? [true] : (bool[])[true, false])
                {
                    foreach ((string name, GGMLType type) in s_types)
                    {
                        // llama.cpp ends the process where keys of bf16 are to be turned on a CPU.
                        foreach (bool shifted in name == "bf16" ? [false] : (bool[])[false, true])
                        {
                            void Change(ModelParams parameters)
                            {
                                (parameters.FlashAttention, parameters.SeqMax, parameters.KVUnified) = (flash, (uint)sequences, unified);
                                (parameters.TypeK, parameters.TypeV) = (type, type);
                            }

                            (int exact, int quality) = Try(model, text, count, Change, sequences, shifted);
                            Console.WriteLine($"| {(flash ? "on" : "off")} | {(unified ? 1 : sequences)} | {sequences} | {name} | {(shifted ? "shifted" : "as read")} | {exact} of {sequences * Written} | {quality} of {sequences * Written} |");
                            wrong += exact == sequences * Written && quality >= sequences * Written * 9 / 10 ? 0 : 1;
                        }
                    }
                }
            }
        }

        Console.WriteLine(wrong == 0 ? "all restored right" : $"{wrong} runs were restored wrong");
        return wrong == 0 ? 0 : 1;
    }

    private static (int Exact, int Quality) Try(string model, string text, int count, Action<ModelParams> change, int sequences, bool shifted)
    {
        string file = Path.GetTempFileName();
        try
        {
            int[] tokens;
            int[][] wanted = new int[sequences][];
            int end = shifted ? count - 50 : count;
            int[] equal = new int[2];
            string[] policies = ["fp32", "quality"];
            byte[][] states = new byte[policies.Length][];
            using (var engine = new Engine(model, change, (uint)(sequences * 1024)))
            {
                tokens = [.. engine.Context.Tokenize(File.ReadAllText(text), addBos: false).Select(token => (int)token)];
                for (int sequence = 0; sequence < sequences; sequence++)
                {
                    engine.Read(tokens.AsSpan(sequence * 100, count), 0, sequence);
                    if (shifted)
                    {
                        engine.Context.NativeHandle.MemorySequenceRemove((LLamaSeqId)sequence, 10, 60);
                        engine.Context.NativeHandle.MemorySequenceAdd((LLamaSeqId)sequence, 60, -1, -50);
                    }

                    // Where a context was shifted its keys are turned with the next step.
                    wanted[sequence] = Go(engine, tokens, count, end, sequence);
                }

                for (int i = 0; i < policies.Length; i++)
                {
                    engine.Context.SaveCompressedState(file, null, new() { Policy = policies[i] == "fp32" ? [LayerSpecs.Parse("fp32")] : CachePreset.Named(policies[i]).ForLayers(1) });
                    states[i] = File.ReadAllBytes(file);
                }
            }

            for (int i = 0; i < policies.Length; i++)
            {
                using var engine = new Engine(model, change, (uint)(sequences * 1024));
                File.WriteAllBytes(file, states[i]);
                engine.Context.LoadCompressedState(file);
                for (int sequence = 0; sequence < sequences; sequence++)
                    equal[i] += Go(engine, tokens, count, end, sequence).Zip(wanted[sequence]).Count(pair => pair.First == pair.Second);
            }

            return (equal[0], equal[1]);
        }
        finally
        {
            File.Delete(file);
        }
    }

    // The last token is read again; what is written behind it is forgotten.
    private static int[] Go(Engine engine, int[] tokens, int count, int end, int sequence)
    {
        engine.Context.NativeHandle.MemorySequenceRemove((LLamaSeqId)sequence, end - 1, -1);
        float[] logits = engine.Read(tokens.AsSpan((sequence * 100) + count - 1, 1), end - 1, sequence);
        int[] written = engine.Greedy(logits, end, Written, sequence);
        engine.Context.NativeHandle.MemorySequenceRemove((LLamaSeqId)sequence, end, -1);
        return written;
    }
}
