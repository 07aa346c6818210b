// What the kernels need of OpenCL C, said in CUDA, so that clang compiles the same text for it: eng/ptx.sh.
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
