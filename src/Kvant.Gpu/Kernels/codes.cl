// What the kernels of attention share: where work says what to do, how the codes of compressed rows lie, what paths and means are.
//
// A block is the scales of 32 rows, then units of 16 coordinates of all of them; then the mean, where there is one.
//
// What is known when a kernel is built is a macro (KernelShape.cs writes them):
//   GROUP, TOKENS    queries of a task: at most so many heads of so many tokens
//   KD, VD           numbers of a key and of a value
//   K_NUMBERS, ...   how keys are stored; V_NUMBERS, ... the same of values
//   UNIT_ROWS        rows whose blocks of all heads lie side by side
//   WAVES            pairs of a vector that all keys share and positions turn
//   PAGED            1: pages of 128 rows, each at its own place; 0: one ring of rows

// Places in the buffer of work: first its header, then what that points to.
enum { TASKS, RUNS, PAGES, SIGHTS, SPLITS, QUERY_HEADS, GROUP_SIZE, UNIT_BYTES, HEAD_BYTES, VALUES_AT, SCALE, SOFT_CAP, SLOPES, SINK_QUERIES, SPAN };
enum { RUN, HEAD, FIRST_TOKEN, TOKEN_COUNT, FROM_PAGE, TO_PAGE, SPLIT, FIRST_MEMBER, TASK_INTS };
enum { FIRST_ROW, END_ROW, FIRST_ENTRY, FIRST_PAGE, POSITION, RING, IS_SINKS, RUN_INTS = 8 };
enum { AT, FROM_TOKEN, FROM_SINK, TO_TOKEN, SIGHT_INTS };

#define SLABS \
    __global const uchar* slab0, __global const uchar* slab1, __global const uchar* slab2, __global const uchar* slab3, __global const uchar* slab4, \
    __global const uchar* slab5, __global const uchar* slab6, __global const uchar* slab7, __global const uchar* slab8, __global const uchar* slab9

#define SLAB(i) \
    ((i) == 0 ? slab0 : (i) == 1 ? slab1 : (i) == 2 ? slab2 : (i) == 3 ? slab3 : (i) == 4 ? slab4 : \
     (i) == 5 ? slab5 : (i) == 6 ? slab6 : (i) == 7 ? slab7 : (i) == 8 ? slab8 : slab9)

// How many means a page has.
#define K_MEANS (K_MEAN ? PAGE / K_BLOCK_ROWS : 0)
#define V_MEANS (V_MEAN ? PAGE / V_BLOCK_ROWS : 0)

// Numbers of a query: see Basis.cs.
#define STRIDE (KD + 2 * WAVES + 1)

#define LOG2E 1.4426950408889634f
#define NOTHING (-INFINITY)

// x for small x, where the fraction below would lose what is small.
FUNCTION float tangent(float x)
{
    const float square = x * x;
    return fabs(x) < 0.1f ? x * (1 - square * (1 / 3.0f - square * (2 / 15.0f - square * (17 / 315.0f)))) : 1 - 2 / (1 + exp2(2 * LOG2E * x));
}

// Codes of a row of keys in the four bytes of a word: coordinates 4k to 4k + 3 of a unit.
FUNCTION uint key_codes(const int bits, __global const uchar* unit, const int row, const int k)
{
    const int half_tile = row / 16, lane = 4 * (row % 16);
    if (bits == 4)
        return (word_at(unit + 128 * half_tile + 64 * (k / 2) + lane) >> (4 * (k % 2))) & 0x0f0f0f0fu;
    if (bits == 3)
    {
        const uint a = word_at(unit + lane), b = word_at(unit + 64 + lane), c = word_at(unit + 128 + lane);
        const uint rest = ((a >> 6) & 0x03030303u) | ((b >> 4) & 0x0c0c0c0cu) | ((c >> 2) & 0x30303030u);
        return ((k < 2 ? (half_tile ? c : a) : half_tile ? rest : b) >> (3 * (k % 2))) & 0x07070707u;
    }
    if (bits == 2)
        return (word_at(unit + 64 * half_tile + lane) >> (2 * k)) & 0x03030303u;
    return (word_at(unit + lane) >> (4 * half_tile + k)) & 0x01010101u;
}

// Codes of one coordinate of the rows 4 quad to 4 quad + 3 of a tile of values, from the words of its lane of a unit. All words are read and one is chosen, not one of their places: so they stay in registers.
FUNCTION uint value_codes(const int bits, const uint* words, const int quad)
{
    const uint a = words[0], b = bits > 1 ? words[1] : 0, c = bits > 2 ? words[2] : 0, d = bits > 3 ? words[3] : 0;
    if (bits == 4)
        return ((quad < 2 ? a : quad < 4 ? b : quad < 6 ? c : d) >> (quad % 2 * 4)) & 0x0f0f0f0fu;
    if (bits == 3)
    {
        const uint rest = ((a >> 6) & 0x03030303u) | ((b >> 4) & 0x0c0c0c0cu) | ((c >> 2) & 0x30303030u);
        return ((quad < 2 ? a : quad < 4 ? b : quad < 6 ? c : rest) >> (quad % 2 * 3)) & 0x07070707u;
    }
    return bits == 2 ? ((quad < 4 ? a : b) >> (quad % 4 * 2)) & 0x03030303u : (a >> quad) & 0x01010101u;
}

// The next states of four paths: eight bits each, the newest code on top.
FUNCTION uint next_states(const int bits, uint states, uint codes)
{
    return ((states >> bits) & (0x01010101u * (uint)(255 >> bits))) | (codes << (8 - bits));
}

// A number of a mean.
FUNCTION float mean_at(const int form, __global const uchar* mean, const int c)
{
    if (form == 1)
        return half_at(mean + 2 * c);
    if (form == 2)
        return float_at(mean) * (float)(char)mean[4 + c];
    return half_at(mean) * (float)((int)((mean[2 + c / 2] >> (c % 2 * 4)) & 15) - 8);
}

// Where the block of a row lies in its page.
FUNCTION __global const uchar* block_at(__global const uchar* head, const int unit_bytes, const int row, const int block_rows, const int block_bytes)
{
    return head + (ulong)(row / UNIT_ROWS) * unit_bytes + row % UNIT_ROWS / block_rows * block_bytes;
}
