using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kvant.Models.Kernels;

namespace Kvant.Models.Tests.Kernels;

public sealed class MultiplyPairsTests
{
    [Fact]
    public void WithAnInstructionAndWithoutPairsAreTheSame()
    {
        Random random = new(1);
        byte[] bytes = new byte[64];
        for (int i = 0; i < 1000; i++)
        {
            random.NextBytes(bytes);
            Vector256<short> a = MemoryMarshal.Read<Vector256<short>>(bytes), b = MemoryMarshal.Read<Vector256<short>>(bytes.AsSpan(32));
            Vector256<int> wanted = Vector256.Create(Enumerable.Range(0, 8).Select(j => (a[2 * j] * b[2 * j]) + (a[(2 * j) + 1] * b[(2 * j) + 1])).ToArray());
            Assert.Equal(wanted, ProductSimd256.MultiplyPairs(a, b));
            Assert.Equal(wanted.GetLower(), ProductSimd128.MultiplyPairs(a.GetLower(), b.GetLower()));
            Assert.Equal(wanted.GetLower(), ProductSimd128.MultiplyPairsPortable(a.GetLower(), b.GetLower()));
        }
    }
}
