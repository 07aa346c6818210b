// What the kernels need of OpenCL C, said in CUDA, so that clang compiles the same text for it: eng/PtxKernels.
#define FUNCTION static inline __attribute__((device))
#define UNROLL_QUERIES _Pragma("unroll")
#define __kernel extern "C" __attribute__((global))
#define __global
#define __local __attribute__((shared))
#define reqd_work_group_size(x, y, z) launch_bounds(x)
#define CLK_LOCAL_MEM_FENCE
#define CLK_GLOBAL_MEM_FENCE
#define barrier(fence) __nvvm_barrier_sync(0)
#define get_local_id(dimension) ((int)__nvvm_read_ptx_sreg_tid_x())
#define get_group_id(dimension) ((int)__nvvm_read_ptx_sreg_ctaid_x())
#define INFINITY __builtin_inff()
#define fma(a, b, c) __builtin_fmaf(a, b, c)
#define fmax(a, b) __builtin_fmaxf(a, b)
#define fmin(a, b) __builtin_fminf(a, b)
#define fabs(x) __builtin_fabsf(x)
#define rint(x) __builtin_rintf(x)
#define sqrt(x) __nvvm_sqrt_rn_f(x)
#define atomic_min(p, x) __nvvm_atom_min_gen_i(p, x)
#define half unsigned short
#define vload_half(offset, from) halves(from)
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
FUNCTION int min(int a, int b) { return a < b ? a : b; }
FUNCTION int max(int a, int b) { return a > b ? a : b; }
FUNCTION float as_float(int bits) { return __builtin_bit_cast(float, bits); }
FUNCTION int as_int(float x) { return __builtin_bit_cast(int, x); }
FUNCTION uint as_uint(float x) { return __builtin_bit_cast(uint, x); }
FUNCTION float halves(const half* from)
{
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(*from));
    return x;
}
FUNCTION float exp2(float x)
{
    float y;
    asm("ex2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
typedef uint words4 __attribute__((ext_vector_type(4)));
typedef float floats4 __attribute__((ext_vector_type(4)));
// Two numbers as halves in a word, the first one below; a half as a number.
FUNCTION uint two_halves(float a, float b)
{
    uint x;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(b), "f"(a));
    return x;
}
FUNCTION float half_of(uint bits)
{
    const ushort low = (ushort)bits;
    return halves(&low);
}
// The same number of the lane whose number differs in some bits.
FUNCTION float across(float x, int bits)
{
    return __nvvm_shfl_sync_bfly_f32(0xffffffffu, x, bits, 31);
}
// Sixteen rows by sixteen columns times sixteen rows by eight columns, as fragments of a warp (tensors.cl).
FUNCTION void multiply_add(float* sums, const words4 a, uint b0, uint b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
