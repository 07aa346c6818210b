using Kvant.Models.Gguf;

namespace Kvant.Models.Tests.Reference;

/// <summary>The decoder once more in plain double precision, token by token, from the papers: for weights of any format, where llama.cpp
/// rounds activations and is no measure.</summary>
internal sealed class ReferenceDecoder(GgufFile file)
{
    private readonly string _architecture = file.Value("general.architecture").AsText();
    private readonly Dictionary<string, double[]> _tensors = file.Tensors.ToDictionary(
        t => t.Name, t => ReferenceFormats.Dequantize(t.Format.Name, file.Bytes(t, 0, (int)t.ByteLength).ToArray(), (int)t.Shape.Aggregate((a, b) => a * b)));

    private int Size(string key) => file.Value($"{_architecture}.{key}").AsCount();

    private double Number(string key, double otherwise) =>
        !file.TryGetValue($"{_architecture}.{key}", out GgufValue? value) ? otherwise : value.Type == GgufValueType.Float32 ? value.AsNumber() : value.AsCount();

    /// <summary>Whether gates are rounded to half precision before and behind GELU, as llama.cpp's table does it.</summary>
    public bool GatesOfHalves { get; init; }

    private bool IsYarn => file.TryGetValue($"{_architecture}.rope.scaling.type", out GgufValue? type) && type.AsText() == "yarn";

    /// <summary>The logits behind the last token.</summary>
    public double[] Logits(int[] tokens)
    {
        int width = Size("embedding_length"), heads = Size("attention.head_count"), shared = Size("attention.head_count_kv"), dimension = Size("attention.key_length");
        double[][] states = [.. tokens.Select(t => _tensors["token_embd.weight"][(t * width)..((t + 1) * width)].Select(x => IsGemma ? x * Math.Sqrt(width) : x).ToArray())];
        // Gemma 3 with 27 thousand million weights divides scores by the root of width / heads.
        double factor = IsGemma && Size("block_count") == 62 ? Math.Sqrt(dimension * heads / (double)width) : 1;
        for (int layer = 0; layer < Size("block_count"); layer++)
        {
            string at = $"blk.{layer}.";
            double[][] normed = [.. states.Select(s => Norm(s, at + "attn_norm.weight"))];
            int[] rows = [heads * dimension, shared * dimension, shared * dimension];
            double[][][] inputs = [.. normed.Select(x => Parts(x, at, "attn_qkv", ["attn_q", "attn_k", "attn_v"], rows))];
            double[][] queries = [.. inputs.Select((x, position) => Turn(Heads(x[0], at + "attn_q_norm.weight", dimension), dimension, position, layer).Select(q => q * factor).ToArray())];
            double[][] keys = [.. inputs.Select((x, position) => Turn(Heads(x[1], at + "attn_k_norm.weight", dimension), dimension, position, layer))];
            double[][] values = [.. inputs.Select(x => x[2])];
            for (int token = 0; token < tokens.Length; token++)
            {
                double[] mixed = [.. Enumerable.Range(0, heads).SelectMany(h => Attend(queries[token], h, keys, values, h / (heads / shared), token, Window(layer), dimension))];
                states[token] = Add(states[token], After(Project(mixed, at + "attn_output"), at + "post_attention_norm.weight"));
                double[] inner = Norm(states[token], at + "ffn_norm.weight");
                states[token] = Add(states[token], After(_tensors.ContainsKey(at + "ffn_gate_inp.weight") ? Experts(inner, at) : FeedForward(inner, at), at + "post_ffw_norm.weight"));
            }
        }
        double cap = Number("final_logit_softcapping", 0);
        double[] logits = Multiply(_tensors.GetValueOrDefault("output.weight") ?? _tensors["token_embd.weight"], Norm(states[^1], "output_norm.weight"));
        return cap == 0 ? logits : [.. logits.Select(x => cap * Math.Tanh(x / cap))];
    }

    private double[] FeedForward(double[] inner, string at)
    {
        double[][] gated = Parts(inner, at, _architecture == "phi3" ? "ffn_up" : "", ["ffn_gate", "ffn_up"], [Size("feed_forward_length"), Size("feed_forward_length")]);
        return Project([.. gated[0].Zip(gated[1], (g, u) => Gate(g) * u)], at + "ffn_down");
    }

    // The few experts with the highest scores, weighted by a softmax over their scores: that over all, divided by its sum over the few, is the same.
    private double[] Experts(double[] inner, string at)
    {
        int count = Size("expert_count"), used = Size("expert_used_count");
        double[] scores = Project(inner, at + "ffn_gate_inp");
        int[] best = [.. Enumerable.Range(0, count).OrderByDescending(e => scores[e]).Take(used)];
        double sum = best.Sum(e => Math.Exp(scores[e] - scores[best[0]]));
        double[] mixed = new double[inner.Length];
        foreach (int e in best)
        {
            double[] gate = Multiply(One("ffn_gate_exps", e), inner), up = Multiply(One("ffn_up_exps", e), inner);
            double[] down = Multiply(One("ffn_down_exps", e), [.. gate.Zip(up, (g, u) => Gate(g) * u)]);
            mixed = Add(mixed, [.. down.Select(x => x * Math.Exp(scores[e] - scores[best[0]]) / sum)]);
        }
        return mixed;

        double[] One(string name, int expert) => _tensors[$"{at}{name}.weight"].Chunk(_tensors[$"{at}{name}.weight"].Length / count).ElementAt(expert);
    }

    private bool IsGemma => _architecture == "gemma3";

    // GELU as Gemma has it, by tanh; SiLU.
    private double Gate(double x) => GatesOfHalves ? (double)(Half)Gelu((double)(Half)x) : IsGemma ? Gelu(x) : x / (1 + Math.Exp(-x));

    private static double Gelu(double x) => x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));

    private double[] After(double[] change, string norm) => _tensors.ContainsKey(norm) ? Norm(change, norm) : change;

    private static double[] Attend(double[] query, int head, double[][] keys, double[][] values, int shared, int token, int window, int dimension)
    {
        double[] scores = [.. Enumerable.Range(0, token + 1).Select(t => token - t >= window ? double.NegativeInfinity : Enumerable.Range(0, dimension)
            .Sum(i => query[(head * dimension) + i] * keys[t][(shared * dimension) + i]) / Math.Sqrt(dimension))];
        double[] weights = [.. scores.Select(s => Math.Exp(s - scores.Max()))];
        return [.. Enumerable.Range(0, dimension).Select(i => weights.Select((w, t) => w * values[t][(shared * dimension) + i]).Sum() / weights.Sum())];
    }

    // How far a token looks, itself counted.
    private int Window(int layer)
    {
        int window = (int)Number("attention.sliding_window", 0), period = (int)Number("attention.sliding_window_pattern", 6);
        return window == 0 || !(_architecture == "phi3" || (IsGemma && (layer + 1) % period != 0)) ? int.MaxValue : window;
    }

    private static double[] Add(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    private static double[] Multiply(double[] matrix, double[] vector) =>
        [.. Enumerable.Range(0, matrix.Length / vector.Length).Select(r => vector.Select((x, c) => x * matrix[(r * vector.Length) + c]).Sum())];

    private double[] Project(double[] vector, string name)
    {
        double[] product = Multiply(_tensors[name + ".weight"], vector);
        return _tensors.TryGetValue(name + ".bias", out double[]? bias) ? Add(product, bias) : product;
    }

    // Projections, which may be the rows of one.
    private double[][] Parts(double[] vector, string at, string fused, string[] names, int[] rows)
    {
        if (!_tensors.ContainsKey($"{at}{fused}.weight")) return [.. names.Select(n => Project(vector, at + n))];
        double[] all = Project(vector, at + fused);
        return [.. rows.Select((count, part) => all[rows[..part].Sum()..][..count])];
    }

    private double[] Norm(double[] vector, string name)
    {
        double root = Math.Sqrt((vector.Sum(x => x * x) / vector.Length) + file.Value($"{_architecture}.attention.layer_norm_rms_epsilon").AsNumber());
        return [.. vector.Zip(_tensors[name], (x, w) => x / root * w)];
    }

    private double[] Heads(double[] vectors, string norm, int dimension) =>
        _tensors.ContainsKey(norm) ? [.. vectors.Chunk(dimension).SelectMany(v => Norm(v, norm))] : vectors;

    private double[] Turn(double[] vectors, int dimension, int position, int layer)
    {
        double length = Number("rope.scaling.attn_factor", 1);
        if (IsYarn && Number("rope.scaling.yarn_ext_factor", 1) > 0) length *= 1 + (0.1 * Math.Log(Number("rope.scaling.factor", 1)));
        bool isLong = Size("context_length") > Number("rope.scaling.original_context_length", Size("context_length"));
        double[]? factors = _tensors.GetValueOrDefault("rope_freqs.weight") ?? _tensors.GetValueOrDefault($"rope_factors_{(isLong ? "long" : "short")}.weight");
        int pairs = Size("rope.dimension_count") / 2;
        double[] turned = [.. vectors];
        for (int start = 0; start < vectors.Length; start += dimension)
        {
            for (int i = 0; i < pairs; i++)
            {
                double angle = position * Speed(i, 2 * pairs, IsGemma && Window(layer) < int.MaxValue) / (factors?[i] ?? 1), cosine = length * Math.Cos(angle), sine = length * Math.Sin(angle);
                (int a, int b) = _architecture == "llama" ? (start + (2 * i), start + (2 * i) + 1) : (start + i, start + i + pairs);
                turned[a] = (vectors[a] * cosine) - (vectors[b] * sine);
                turned[b] = (vectors[a] * sine) + (vectors[b] * cosine);
            }
        }
        return turned;
    }

    // Of a pair, in radians by position. YaRN (Peng et al., 2023, section 3.2): pairs that turn more than beta_fast times in the first context stay, those
    // that turn less than beta_slow times are slowed down, and the steps between are even in the number of the pair, between whole numbers.
    private double Speed(int pair, int dimension, bool local)
    {
        if (local) return Math.Pow(Number("rope.freq_base_swa", 10_000), -2.0 * pair / dimension);
        double @base = Number("rope.freq_base", 10_000), speed = Math.Pow(@base, -2.0 * pair / dimension), slowed = speed / Number("rope.scaling.factor", 1);
        if (!IsYarn) return slowed;
        int last = dimension - 1, from = Math.Max(0, (int)Math.Floor(PairThatTurns(Number("rope.scaling.yarn_beta_fast", 32)))), to = Math.Min(last, (int)Math.Ceiling(PairThatTurns(Number("rope.scaling.yarn_beta_slow", 1))));
        double kept = pair <= from ? 1 : pair >= to ? 0 : (to - pair) / (double)(to - from);
        kept *= Number("rope.scaling.yarn_ext_factor", 1);
        return (speed * kept) + (slowed * (1 - kept));

        // Turns in the context are context * base^(-2 pair / dimension) / 2 pi.
        double PairThatTurns(double turns) => dimension / 2.0 * Math.Log(Number("rope.scaling.original_context_length", Size("context_length")) / (2 * Math.PI * turns), @base);
    }
}
