// How rows become compressed blocks (the second half is choose.cl), byte for byte as on the processor: every sum has the order that the library defines, nothing is fused, division and square root are rounded correctly. clang
// compiles the same text for CUDA (docs/gpu.md).
//
//   enter   a work-group is a block: what is subtracted from its rows, the mean of a block included, which is stored here
//   turn    a work-group is a row, which it rotates
//   levels  a work-group is a row: scales of its groups, and the level nearest to each number
//   paths   a work-group takes a few groups of numbers: scales, and the path through the trellis that is nearest to each
//   pack    a work-group is a tile: codes go where the kernels of attention read them
//
// A block that is not easy, or whose scales do not fit, is marked; the processor encodes it, or refuses it.
//
// What is known when a kernel is built is a macro (EncodingShape.cs writes them):
//   D, SINGLE_ROWS                       numbers of a row; whether rows come as floats of 32 bits, else of 16
//   NUMBERS, BITS, GROUPS, KEYS          how codes are stored: as levels or paths, and in which order
//   BLOCK_ROWS, BLOCK_STRIDE             rows of a block, and bytes from one to the next
//   MEAN, MEAN_AT, EASY                  how the mean is stored; numbers up to this magnitude are easy
//   SHARED, TURNS, NEIGHBORS             whether a vector is subtracted, how many of its pairs turn, and which
//   ROUNDS, SEGMENT, MIXED               the rotation
//   RULE, SEARCH                         which scale is stored, and how many are tried
//   AROUND, STEPS, FINE, STEP            of paths: steps that find where one begins, the most of any walk, and what their metrics count in

#ifdef __OPENCL_VERSION__
#pragma OPENCL FP_CONTRACT OFF
#endif

// In the buffer of work.
enum { ROWS, HEADS };

#define LENGTH (D / GROUPS)
#define TILE_BYTES (GROUPS * 2 * TILE + D / 16 * 64 * BITS)
#define LARGEST_HALF 65519.996f // the largest float that rounds to a finite half
#define NO_SCALE 1e-30f

// Rules for scales (ScaleRule).
#define CORRECTED 1
#define LEAST_SQUARES 2
#define UNBIASED 3

// In the table of the codec.
#define BACK_AT (ROUNDS * D)
#define LAST_AT (2 * ROUNDS * D)
#define MATRIX_AT (LAST_AT + (ROUNDS ? D : 0))
#define MATRIX_FLOATS (MIXED > 1 ? MIXED * MIXED : 0)
#define CODES_AT (MATRIX_AT + 2 * MATRIX_FLOATS)

// In the numbers of the heads.
#define SINES_AT (TILE * TURNS)
#define INVERSE_AT (2 * TILE * TURNS)

// To the nearest half, of two the even one, for what is smaller than LARGEST_HALF.
FUNCTION uint half_bits(const float x)
{
    const uint bits = as_uint(x), sign = bits & 0x80000000u, size = bits ^ sign;
    const uint normal = (size + 0xc8000fffu + ((size >> 13) & 1)) >> 13, small = as_uint(as_float((int)size) + 0.5f) - 0x3f000000u;
    return (size < 0x38800000u ? small : normal) | (sign >> 16);
}

FUNCTION void store_half(__global uchar* p, const float x)
{
    *(__global ushort*)p = (ushort)half_bits(x);
}

// Sixteen partial sums, in the order of the library's reductions.
FUNCTION float total(__local const float* p)
{
    const float a = (p[0] + p[8]) + (p[4] + p[12]), b = (p[1] + p[9]) + (p[5] + p[13]), c = (p[2] + p[10]) + (p[6] + p[14]), d = (p[3] + p[11]) + (p[7] + p[15]);
    return (a + c) + (b + d);
}

// Rotates a row, with everybody's work-items; who wrote it need not wait before.
FUNCTION void rotate(__local float* row, __local float* mixed, __global const float* signs, __global const float* matrix)
{
    const int me = get_local_id(0);
    for (int round = 0; round < ROUNDS; round++)
    {
        for (int i = me; i < D; i += LANES)
            row[i] = row[i] * signs[round * D + i];
        for (int h = 1; h < SEGMENT; h *= 2)
        {
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int i = me; i < D / 2; i += LANES)
            {
                const int first = i / h * 2 * h + i % h;
                const float a = row[first], b = row[first + h];
                row[first] = a + b;
                row[first + h] = a - b;
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
#if MIXED > 1
        for (int i = me; i < D; i += LANES)
        {
            float sum = 0;
            for (int k = 0; k < MIXED; k++)
                sum = sum + row[k * (D / MIXED) + i % (D / MIXED)] * matrix[k * MIXED + i / (D / MIXED)];
            mixed[i] = sum;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = me; i < D; i += LANES)
            row[i] = mixed[i];
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
    }
}

// A number of a row less what all rows of its head share, in units.
FUNCTION float left_of(__global const uchar* rows, __global const float* heads, __global const int* work, const int head, const int row, const int c)
{
    const ulong at = ((ulong)head * work[ROWS] + row) * D + c;
#if SINGLE_ROWS
    const float x = float_at(rows + 4 * at);
#else
    const float x = half_at(rows + 2 * at);
#endif
#if SHARED
    __global const float* shared = heads + INVERSE_AT + (ulong)work[HEADS] * D + (TURNS ? (ulong)head * (work[ROWS] / TILE) + row / TILE : (ulong)head) * D;
    float vector = shared[c];
#if TURNS
    if (c < 2 * TURNS)
    {
        const int pair = NEIGHBORS ? c / 2 : c % TURNS, second = NEIGHBORS ? c % 2 : c / TURNS;
        const float a = shared[NEIGHBORS ? 2 * pair : pair], b = shared[NEIGHBORS ? 2 * pair + 1 : pair + TURNS];
        const float cosine = heads[row % TILE * TURNS + pair], sine = heads[SINES_AT + row % TILE * TURNS + pair];
        vector = second ? a * sine + b * cosine : a * cosine - b * sine;
    }
#endif
    return (x - vector) * heads[INVERSE_AT + (ulong)head * D + c];
#else
    return x;
#endif
}

// Whole numbers between limits, of two that are as near the even one.
FUNCTION float rounded(const float x, const float offset, const float unit, const float low, const float high)
{
    const float whole = rint((x - offset) / unit);
    return whole < low ? low : whole > high ? high : whole;
}

__kernel __attribute__((reqd_work_group_size(LANES, 1, 1)))
void enter(__global const int* work, __global const uchar* rows, __global const float* heads, __global const float* table, __global float* turned, __global uchar* blocks, __global int* marks)
{
    const int me = get_local_id(0), block = get_group_id(0), of_head = work[ROWS] / BLOCK_ROWS, head = block / of_head, first = block % of_head * BLOCK_ROWS;
    __global float* mine = turned + ((ulong)head * work[ROWS] + first) * D;
#if MEAN
    __local float mean[D], mixed[D], largest[LANES];
    __global uchar* stored = blocks + (ulong)block * BLOCK_STRIDE + MEAN_AT;
#endif
    for (int c = me; c < D; c += LANES)
    {
        float sum = 0;
        int easy = 1;
        for (int r = 0; r < BLOCK_ROWS; r++)
        {
            const float x = left_of(rows, heads, work, head, first + r, c);
            mine[r * D + c] = x;
#if MEAN
            sum = sum + x;
            easy &= fabs(x) <= EASY;
#endif
        }
#if MEAN
        mean[c] = sum * (1.0f / BLOCK_ROWS);
        if (!easy)
            marks[block] = 1;
#endif
    }
#if MEAN
    rotate(mean, mixed, table, table + MATRIX_AT);
    float most = 0;
    for (int c = me; c < D; c += LANES)
        most = fmax(most, fabs(mean[c]));
    largest[me] = most;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < LANES; i++)
        most = fmax(most, largest[i]);
    if (!(most <= LARGEST_HALF) && me == 0)
        marks[block] = 1;
#if MEAN == 1
    for (int c = me; c < D; c += LANES)
    {
        store_half(stored + 2 * c, mean[c]);
        mean[c] = half_at(stored + 2 * c);
    }
#elif MEAN == 2
    const float unit = most / 127;
    if (me == 0)
        *(__global float*)stored = unit;
    for (int c = me; c < D; c += LANES)
    {
        const float code = unit == 0 ? 0 : rounded(mean[c], 0, unit, -127, 127);
        stored[4 + c] = (uchar)(char)(int)code;
        mean[c] = 0 + unit * code;
    }
#else
    if (me == 0)
        store_half(stored, most / 7.5f);
    barrier(CLK_GLOBAL_MEM_FENCE);
    const float unit = half_at(stored);
    for (int p = me; p < D / 2; p += LANES)
    {
        const float even = unit == 0 ? 8 : rounded(mean[2 * p], -8 * unit, unit, 0, 15), odd = unit == 0 ? 8 : rounded(mean[2 * p + 1], -8 * unit, unit, 0, 15);
        stored[2 + p] = (uchar)((int)even | ((int)odd << 4));
        mean[2 * p] = 0 + unit * (even - 8);
        mean[2 * p + 1] = 0 + unit * (odd - 8);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    rotate(mean, mixed, table + BACK_AT, table + MATRIX_AT + MATRIX_FLOATS);
    for (int c = me; c < D; c += LANES)
    {
        const float x = ROUNDS ? mean[c] * table[LAST_AT + c] : mean[c];
        for (int r = 0; r < BLOCK_ROWS; r++)
            mine[r * D + c] = mine[r * D + c] - x;
    }
#endif
}

__kernel __attribute__((reqd_work_group_size(LANES, 1, 1)))
void turn(__global const float* table, __global float* turned)
{
    __local float row[D], mixed[D];
    __global float* mine = turned + (ulong)get_group_id(0) * D;
    for (int i = get_local_id(0); i < D; i += LANES)
        row[i] = mine[i];
    rotate(row, mixed, table, table + MATRIX_AT);
    for (int i = get_local_id(0); i < D; i += LANES)
        mine[i] = row[i];
}

// Stores the scale of a group of a row, counted over all heads.
FUNCTION void store_scale(__global const int* work, __global uchar* blocks, __global int* marks, const int row, const int group, const float scale)
{
    const int block = row / BLOCK_ROWS;
    __global uchar* tile = blocks + (ulong)block * BLOCK_STRIDE + row % BLOCK_ROWS / TILE * TILE_BYTES;
    store_half(tile + 2 * (group * TILE + row % TILE), scale);
    if (!(fabs(scale) <= LARGEST_HALF))
        marks[block] = 1;
}

