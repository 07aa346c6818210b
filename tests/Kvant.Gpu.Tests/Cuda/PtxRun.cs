namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Runs small texts of PTX for tests.</summary>
internal static class PtxRun
{
    private const string Head = ".version 7.2\n.target sm_80\n.address_size 64\n";

    /// <summary>The bits that one instruction leaves in %d. Types are those of the registers %d, %a, %b, %c, %e as they were declared, and the inputs are those of %a and on.</summary>
    public static ulong Result(string instruction, string types, params ulong[] inputs)
    {
        string[] names = ["d", "a", "b", "c", "e"], declared = types.Split(' ');
        Assert.Equal(declared.Length - 1, inputs.Length);
        var text = new System.Text.StringBuilder();
        for (int i = 0; i < declared.Length; i++)
            text.AppendLine($".reg .{declared[i]} %{names[i]};");
        for (int i = 0; i < inputs.Length; i++)
            text.AppendLine(declared[i + 1] == "pred" ? $"ld.global.u64 %long, [%in+{8 * i}]; setp.ne.s64 %{names[i + 1]}, %long, 0;" : $"ld.global.{declared[i + 1]} %{names[i + 1]}, [%in+{8 * i}];");
        text.AppendLine($"{instruction};");
        text.AppendLine(declared[0] == "pred" ? "selp.b64 %long, 1, 0, %d; st.global.b64 [%out], %long;" : $"st.global.{declared[0]} [%out], %d;");
        var outputs = new ulong[1];
        Body(text.ToString(), inputs, outputs);
        return outputs[0];
    }

    /// <summary>Runs a body with %in and %out as the addresses of numbers, %tid as the thread, and registers of each type: %h, %r, %f, %rd and %p.</summary>
    public static void Body(string body, ulong[] inputs, ulong[] outputs, int threads = 1, bool allowSameValue = false, int dynamicShared = 0, string declared = "", int groups = 1) =>
        Launch(Kernel(body, declared), inputs, outputs, threads, new PtxMachine { AllowSameValue = allowSameValue, BranchLimit = 1000 }, dynamicShared, groups);

    public static string Kernel(string body, string declared = "") => $$"""
        {{Head}}{{declared}}
        .visible .entry test(.param .u64 test_param_0, .param .u64 test_param_1)
        {
        .reg .b64 %in, %out, %long, %rd<20>;
        .reg .b32 %tid, %r<20>;
        .reg .b16 %h<20>;
        .reg .f32 %f<20>;
        .reg .pred %p<9>;
        ld.param.u64 %in, [test_param_0];
        ld.param.u64 %out, [test_param_1];
        mov.u32 %tid, %tid.x;
        {{body}}
        ret;
        }
        """;

    public static unsafe void Launch(string text, ulong[] inputs, ulong[] outputs, int threads, PtxMachine machine, int dynamicShared = 0, int groups = 1)
    {
        PtxKernel kernel = PtxModule.Parse(text).Kernels["test"];
        fixed (ulong* input = inputs)
        fixed (ulong* output = outputs)
        {
            var allocations = new PtxAllocations([((ulong)input, (ulong)inputs.Length * 8), ((ulong)output, (ulong)outputs.Length * 8)]);
            machine.Run(kernel, groups, threads, [(ulong)input, (ulong)output], allocations, dynamicShared);
        }
    }

    public static ulong Bits(float x) => BitConverter.SingleToUInt32Bits(x);

    public static ulong Bits(double x) => BitConverter.DoubleToUInt64Bits(x);

    public static ulong Bits(Half x) => BitConverter.HalfToUInt16Bits(x);
}
