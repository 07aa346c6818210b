// How a work-item unpacks compressed rows as it goes along: what a row of keys adds to scores, and a tile of values to sums (attend.cl).

#define Q (GROUP * TOKENS)

// The products of a row of keys with all queries.
FUNCTION void score(float* scores, __global const uchar* block, const int row, __local const float* queries, __local const float* mean, __local const float* levels)
{
    for (int q = 0; q < Q; q++)
        scores[q] = 0;
#if K_NUMBERS == LEVELS || K_NUMBERS == PATHS
    const int units = KD / 16 / K_GROUPS;
    __global const uchar* tile = block + row % K_BLOCK_ROWS / TILE * (K_GROUPS * 2 * TILE + KD / 16 * 64 * K_BITS);
    for (int g = 0; g < K_GROUPS; g++)
    {
        const float scale = half_at(tile + 2 * (g * TILE + row % TILE));
        __global const uchar* unit = tile + K_GROUPS * 2 * TILE + g * units * 64 * K_BITS;
#if K_NUMBERS == PATHS
        // The path begins where it ends: a column with what the column before left, the first with what the last did. Rows so short that a state reaches farther back go round more than once.
        uint states[4] = { 0, 0, 0, 0 };
        for (int round = 0; round < (8 + units * K_BITS - 1) / (units * K_BITS); round++)
        {
            for (int u = max(0, units - (8 + K_BITS - 1) / K_BITS); u < units; u++)
            {
                UNROLL
                for (int k = 0; k < 4; k++)
                    states[k] = next_states(K_BITS, states[k], key_codes(K_BITS, unit + u * 64 * K_BITS, row % TILE, k));
            }
            const uint last = states[3] >> 24;
            UNROLL
            for (int k = 3; k > 0; k--)
                states[k] = (states[k] << 8) | (states[k - 1] >> 24);
            states[0] = (states[0] << 8) | last;
        }
#endif
        for (int u = 0; u < units; u++)
        {
            const int first = (g * units + u) * 16;
            UNROLL
            for (int k = 0; k < 4; k++)
            {
                uint codes = key_codes(K_BITS, unit + u * 64 * K_BITS, row % TILE, k);
#if K_NUMBERS == PATHS
                codes = states[k] = next_states(K_BITS, states[k], codes);
#endif
                UNROLL
                for (int j = 0; j < 4; j++)
                {
                    const int c = first + 4 * k + j;
#if K_MEAN
                    const float x = fma(levels[(codes >> (8 * j)) & 255], scale, mean[c]);
#else
                    const float x = levels[(codes >> (8 * j)) & 255] * scale;
#endif
                    for (int q = 0; q < Q; q++)
                        scores[q] = fma(x, queries[c * Q + q], scores[q]);
                }
            }
        }
    }
#else
    for (int c = 0; c < KD; c++)
    {
#if K_NUMBERS == HALVES
        const float x = half_at(block + 2 * c);
#elif K_NUMBERS == SINGLES
        const float x = float_at(block + 4 * c);
#else
        const float x = (float)(char)block[4 + c];
#endif
        for (int q = 0; q < Q; q++)
            scores[q] = fma(x, queries[c * Q + q], scores[q]);
    }
#if K_NUMBERS == BYTES
    for (int q = 0; q < Q; q++)
        scores[q] *= float_at(block);
#endif
#endif
}

#if V_NUMBERS == LEVELS || V_NUMBERS == PATHS
// Codes that a value's level depends on: its own and those before it on its path.
#if V_NUMBERS == PATHS
#define V_BACK ((8 + V_BITS - 1) / V_BITS)
#else
#define V_BACK 1
#endif

// Adds a tile's rows, one coordinate of them, to the sums; some quads of rows alone where work-items share a coordinate.
FUNCTION void add_tile(float* sums, __global const uchar* tile, const int c, const int part, const int parts, __local const float* weights, __local const float* scales, __local const float* levels)
{
    const int units = VD / 16 / V_GROUPS, group = c / (VD / V_GROUPS);
    __global const uchar* first = tile + V_GROUPS * 2 * TILE + group * units * 64 * V_BITS;
    uint words[V_BACK][V_BITS];
    int unit = c / 16 % units, lane = c % 16;
    UNROLL
    for (int back = 0; back < V_BACK; back++)
    {
        UNROLL
        for (int b = 0; b < V_BITS; b++)
            words[back][b] = word_at(first + (unit * V_BITS + b) * 64 + 4 * lane);
        // To the coordinate before it on the path: the unit before, or the column before.
        if (unit-- == 0)
        {
            unit = units - 1;
            lane = (lane + 15) % 16;
        }
    }
    UNROLL
    for (int quad = 0; quad < 8; quad++)
    {
        if (quad % parts != part)
            continue;
#if V_NUMBERS == PATHS
        uint codes = value_codes(V_BITS, words[0], quad) << (8 - V_BITS);
        UNROLL
        for (int back = 1; back < V_BACK; back++)
        {
            const int up = 8 - V_BITS * (back + 1);
            const uint older = value_codes(V_BITS, words[back], quad);
            codes |= up >= 0 ? older << max(up, 0) : (older >> max(-up, 0)) & (0x01010101u * (uint)((1 << (V_BITS + min(up, 0))) - 1));
        }
#else
        const uint codes = value_codes(V_BITS, words[0], quad);
#endif
        UNROLL
        for (int j = 0; j < 4; j++)
        {
            const int row = 4 * quad + j;
            const float x = levels[(codes >> (8 * j)) & 255] * scales[group * PAGE + row];
            for (int q = 0; q < Q; q++)
                sums[q] = fma(x, weights[row * Q + q], sums[q]);
        }
    }
}
#endif
