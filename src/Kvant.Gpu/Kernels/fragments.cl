// What tensors.cl counts in, and what lanes of a row do together.

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

// Codes of a coordinate of the rows 4 quad to 4 quad + 3 of a tile of values.
FUNCTION uint quad_codes(__global const uchar* units, const int unit, const int lane, const int quad)
{
    uint words[V_BITS];
    UNROLL
    for (int b = 0; b < V_BITS; b++)
        words[b] = word_at(units + (unit * V_BITS + b) * 64 + 4 * lane);
    return value_codes(V_BITS, words, quad);
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
