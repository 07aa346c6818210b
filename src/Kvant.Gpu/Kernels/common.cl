// What all kernels need: the forms of the library's blocks, byte for byte (docs/formats, TileLayout.cs), and how their numbers are read.

#define LANES 128
#define PAGE 128
#define TILE 32

// How numbers are stored (NumberForm) and means (MeanForm plus 1; 0 for none).
#define HALVES 0
#define SINGLES 1
#define BYTES 2
#define LEVELS 3
#define PATHS 4

// Arrays of a work-item lie in registers where every index is known when the kernel is built.
#define UNROLL _Pragma("unroll")

FUNCTION float half_at(__global const uchar* p)
{
    return vload_half(0, (__global const half*)p);
}

FUNCTION uint word_at(__global const uchar* p)
{
    return *(__global const uint*)p;
}

FUNCTION float float_at(__global const uchar* p)
{
    return *(__global const float*)p;
}
