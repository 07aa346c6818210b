// How a lane unpacks its part of a fragment (tensors.cl).

#define QUERIES 16
#define WARPS 4
#define K_UNITS (KD / 16)
#define V_UNITS (VD / 16)
#define WAVE_UNITS (WAVES / 8)
#define K_TILE_BYTES (2 * TILE + K_UNITS * 64 * K_BITS)
#define V_TILE_BYTES (2 * TILE + V_UNITS * 64 * V_BITS)
#define K_REACH ((8 + K_BITS - 1) / K_BITS)
#define V_REACH ((8 + V_BITS - 1) / V_BITS)
#define PAGE_SHARES (K_MEAN || V_MEAN || WAVES)

// Numbers are a quarter as halves, so that none of them is infinite.
#define SHRUNK 0.25f

// Codes of columns 4k to 4k + 3 of a row of keys, one in each byte of a word.
FUNCTION uint column_codes(__global const uchar* unit, const int row, const int k)
{
    const int half_tile = row / 16, lane = 4 * (row % 16);
#if K_BITS == 4
    return (word_at(unit + 128 * half_tile + 64 * (k / 2) + lane) >> (4 * (k % 2))) & 0x0f0f0f0fu;
#elif K_BITS == 3
    const uint a = word_at(unit + lane), b = word_at(unit + 64 + lane), c = word_at(unit + 128 + lane);
    const uint rest = ((a >> 6) & 0x03030303u) | ((b >> 4) & 0x0c0c0c0cu) | ((c >> 2) & 0x30303030u);
    return ((k < 2 ? (half_tile ? c : a) : half_tile ? rest : b) >> (3 * (k % 2))) & 0x07070707u;
#elif K_BITS == 2
    return (word_at(unit + 64 * half_tile + lane) >> (2 * k)) & 0x03030303u;
#else
    return (word_at(unit + lane) >> (4 * half_tile + k)) & 0x01010101u;
#endif
}

// Codes of a coordinate of the rows 4 quad to 4 quad + 3 of a tile of values.
FUNCTION uint quad_codes(__global const uchar* units, const int unit, const int lane, const int quad)
{
    uint words[V_BITS];
    UNROLL
    for (int b = 0; b < V_BITS; b++)
        words[b] = word_at(units + (unit * V_BITS + b) * 64 + 4 * lane);
#if V_BITS == 4
    return ((quad < 2 ? words[0] : quad < 4 ? words[1] : quad < 6 ? words[2] : words[3]) >> (quad % 2 * 4)) & 0x0f0f0f0fu;
#elif V_BITS == 3
    const uint rest = ((words[0] >> 6) & 0x03030303u) | ((words[1] >> 4) & 0x0c0c0c0cu) | ((words[2] >> 2) & 0x30303030u);
    return ((quad < 2 ? words[0] : quad < 4 ? words[1] : quad < 6 ? words[2] : rest) >> (quad % 2 * 3)) & 0x07070707u;
#elif V_BITS == 2
    return ((quad < 4 ? words[0] : words[1]) >> (quad % 4 * 2)) & 0x03030303u;
#else
    return (words[0] >> quad) & 0x01010101u;
#endif
}

// The largest of the four lanes of a row, and their sum.
FUNCTION float largest_of_row(float x)
{
    x = fmax(x, across(x, 1));
    return fmax(x, across(x, 2));
}

FUNCTION float sum_of_row(float x)
{
    x += across(x, 1);
    return x + across(x, 2);
}
