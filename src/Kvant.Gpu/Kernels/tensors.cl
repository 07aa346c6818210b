// Attention on the matrix units of a card (CUDA alone): what attend.cl computes, with codes unpacked in registers to fragments of halves, products of them summed in floats.
//
// A work-group is four warps; of each page of 128 rows every warp takes 32, with a softmax of its own, so that warps wait for each other only where they share what is unpacked once by page. Queries are the 16 rows of a
// matrix, fewer where there are fewer. Fragments are those of mma.m16n8k16: a lane is g = lane / 4 and t = lane % 4, and of a matrix of rows and 16 columns holds row g, columns 2t, 2t + 1, 2t + 8, 2t + 9. The order of
// columns is free as long as both factors have the same one: here those are the four that lie side by side in a word of codes, 4t to 4t + 3. So:
//   scores  queries x channels by channels x rows: a lane unpacks four channels of a row, of each unit of 16
//   sums    weights x rows by rows x coordinates: weights lie in the lanes where scores left them; a lane unpacks four rows of a coordinate
//
// Macros are those of attend.cl, but for GROUP and TOKENS, which are numbers here. Rows of a body alone come here: in pages, none of them a sink or newer than a query, one scale for each.

__kernel __attribute__((launch_bounds(LANES, 2)))
void attend(SLABS, __global const int* work, __global const float* asked, __global const float* tables, __global const float* waves, __global const float* turns, __global float* partials)
{
    __local __attribute__((aligned(16))) float key_levels[256], value_levels[256], key_means[K_MEANS * KD + 4], value_means[V_MEANS * VD + 4], all_sums[QUERIES * VD];
    __local __attribute__((aligned(16))) uint queries[K_UNITS * 32 * 4]; // fragments of all lanes, which are the same for every warp
    __local float tops[WARPS * QUERIES], totals[WARPS * QUERIES];
#if WAVES
    __local uint wave_high[QUERIES * WAVES], wave_low[QUERIES * WAVES];
    __local float wave_strengths[QUERIES];
#endif
    const int me = get_local_id(0), warp = me / 32, g = me % 32 / 4, t = me % 4;
    __global const int* task = work + work[TASKS] + get_group_id(0) * TASK_INTS;
    __global const int* run = work + work[RUNS] + task[RUN] * RUN_INTS;
    __global const int* pages = work + work[PAGES] + 2 * run[FIRST_ENTRY];
    const int heads = work[QUERY_HEADS], group = work[GROUP_SIZE], span = work[SPAN], members = min(span, group - task[FIRST_MEMBER]);
    const int first_query = task[FIRST_TOKEN] * heads + task[HEAD] * group + task[FIRST_MEMBER], unit_bytes = work[UNIT_BYTES];
    const float scale = as_float(work[SCALE]), cap = as_float(work[SOFT_CAP]);

    for (int i = me; i < 256; i += LANES)
    {
        key_levels[i] = tables[i];
        value_levels[i] = tables[256 + i];
    }

    // Queries of this lane, g and g + 8, as fragments: relative to their largest number.
    float strengths[2], still[2], slopes[2], top[2], total[2];
    int first_seen[2], at[2];
    UNROLL
    for (int i = 0; i < 2; i++)
    {
        const int q = g + 8 * i, real = q / span < task[TOKEN_COUNT] && q % span < members;
        __global const float* numbers = asked + (ulong)(first_query + (real ? q / span * heads + q % span : 0)) * STRIDE;
        float most = 0;
        for (int u = 0; u < K_UNITS; u++)
        {
            UNROLL
            for (int c = 0; c < 4; c++)
                most = fmax(most, fabs(numbers[16 * u + 4 * t + c]));
        }
        most = largest_of_row(most);
        const float inverse = real && most > 1e-30f ? 1 / most : 0;
        strengths[i] = most * (1 / SHRUNK);
        for (int u = warp; u < K_UNITS; u += WARPS)
        {
            __global const float* x = numbers + 16 * u + 4 * t;
            queries[4 * (32 * u + me % 32) + i] = two_halves(x[0] * inverse, x[1] * inverse);
            queries[4 * (32 * u + me % 32) + 2 + i] = two_halves(x[2] * inverse, x[3] * inverse);
        }
        still[i] = numbers[STRIDE - 1];
        __global const int* sight = work + work[SIGHTS] + (task[FIRST_TOKEN] + (real ? q / span : 0)) * SIGHT_INTS;
        first_seen[i] = sight[FROM_TOKEN];
        at[i] = sight[AT];
        slopes[i] = work[SLOPES] ? as_float(work[work[SLOPES] + task[HEAD] * group + task[FIRST_MEMBER] + (real ? q % span : 0)]) : 0;
        top[i] = NOTHING;
        total[i] = 0;
#if WAVES
        most = 0;
        for (int j = t; j < WAVES; j += 4)
            most = fmax(most, fabs(numbers[KD + j]) + fabs(numbers[KD + WAVES + j]));
        most = largest_of_row(most);
        if (warp == 0 && t == 0)
            wave_strengths[q] = real ? most : 0;
#endif
    }
    float sums[2 * V_UNITS][4];
    UNROLL
    for (int i = 0; i < 2 * V_UNITS; i++)
    {
        UNROLL
        for (int e = 0; e < 4; e++)
            sums[i][e] = 0;
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    for (int page = task[FROM_PAGE]; page < task[TO_PAGE]; page++)
    {
        const int entry = page - run[FIRST_PAGE], from = max(0, run[FIRST_ROW] - page * PAGE), to = min(PAGE, run[END_ROW] - page * PAGE);
        __global const uchar* keys = SLAB(pages[2 * entry]) + (ulong)(uint)pages[2 * entry + 1] * 16 + (ulong)task[HEAD] * work[HEAD_BYTES];
        __global const uchar* values = keys + work[VALUES_AT];
#if PAGE_SHARES
        barrier(CLK_LOCAL_MEM_FENCE);
#if K_MEAN
        for (int i = me; i < K_MEANS * KD; i += LANES)
        {
            const int row = i / KD * K_BLOCK_ROWS;
            key_means[i] = row >= from / K_BLOCK_ROWS * K_BLOCK_ROWS && row < to ? SHRUNK * mean_at(K_MEAN, block_at(keys, unit_bytes, row, K_BLOCK_ROWS, K_BLOCK_BYTES) + K_MEAN_AT, i % KD) : 0;
        }
#endif
#if V_MEAN
        for (int i = me; i < V_MEANS * VD; i += LANES)
        {
            const int row = i / VD * V_BLOCK_ROWS;
            value_means[i] = row >= from / V_BLOCK_ROWS * V_BLOCK_ROWS && row < to ? SHRUNK * mean_at(V_MEAN, block_at(values, unit_bytes, row, V_BLOCK_ROWS, V_BLOCK_BYTES) + V_MEAN_AT, i % VD) : 0;
        }
#endif
#if WAVES
        // What the shared vector adds, as waves that begin with this page: halves, and what those leave.
        for (int i = me; i < QUERIES * WAVES; i += LANES)
        {
            const int j = i % WAVES, q = i / WAVES;
            const float strength = wave_strengths[q], inverse = strength > 1e-30f ? 1 / strength : 0;
            __global const float* numbers = asked + (ulong)(first_query + (strength > 0 ? q / span * heads + q % span : 0)) * STRIDE + KD;
            const float a = numbers[j] * inverse, b = numbers[WAVES + j] * inverse, c = turns[(ulong)page * 2 * WAVES + j], s = turns[(ulong)page * 2 * WAVES + WAVES + j];
            const float x = a * c + b * s, y = b * c - a * s;
            const uint high = two_halves(x, y);
            wave_high[i] = high;
            wave_low[i] = two_halves(x - half_of(high & 0xffff), y - half_of(high >> 16));
        }
#endif
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
        const int first = warp * TILE;
        if (first + TILE <= from || first >= to)
            continue;

        // Scores: eight rows at a time, in the order in which their weights are needed: four of a quad of rows lie in the lanes of one t.
        float scores[4][4];
#if K_NUMBERS != BYTES
        __global const uchar* key_tile = block_at(keys, unit_bytes, first, K_BLOCK_ROWS, K_BLOCK_BYTES) + first % K_BLOCK_ROWS / TILE * K_TILE_BYTES;
        const float* key_mean = key_means + (K_MEAN ? first / K_BLOCK_ROWS * KD : 0);
#endif
        UNROLL
        for (int n = 0; n < 4; n++)
        {
            const int row = 16 * (n / 2) + 4 * (g / 2) + 2 * (n % 2) + g % 2;
            UNROLL
            for (int e = 0; e < 4; e++)
                scores[n][e] = 0;
#if K_NUMBERS == BYTES
            __global const uchar* block = block_at(keys, unit_bytes, min(max(first + row, from), to - 1), K_BLOCK_ROWS, K_BLOCK_BYTES);
            const float unit_of_row = SHRUNK * float_at(block);
#else
            const float unit_of_row = SHRUNK * half_at(key_tile + 2 * row);
            __global const uchar* units = key_tile + 2 * TILE;
#endif
#if K_NUMBERS == PATHS
            // The path begins where it ends: a column with what the column before left.
            uint states = 0, before = 0;
            UNROLL
            for (int u = K_UNITS - K_REACH; u < K_UNITS; u++)
            {
                states = next_states(K_BITS, states, key_codes(K_BITS, units + u * 64 * K_BITS, row, t));
                before = next_states(K_BITS, before, key_codes(K_BITS, units + u * 64 * K_BITS, row, (t + 3) % 4));
            }
            states = (states << 8) | (before >> 24);
#endif
            _Pragma("unroll 2")
            for (int u = 0; u < K_UNITS; u++)
            {
                float x[4];
#if K_MEAN
                const floats4 mean = *(const floats4*)(key_mean + 16 * u + 4 * t);
#endif
#if K_NUMBERS == BYTES
                const uint codes = word_at(block + 4 + 16 * u + 4 * t);
#else
                uint codes = key_codes(K_BITS, units + u * 64 * K_BITS, row, t);
#if K_NUMBERS == PATHS
                codes = states = next_states(K_BITS, states, codes);
#endif
#endif
                UNROLL
                for (int c = 0; c < 4; c++)
                {
#if K_NUMBERS == BYTES
                    x[c] = (float)(char)(codes >> (8 * c)) * unit_of_row;
#elif K_MEAN
                    x[c] = fma(key_levels[(codes >> (8 * c)) & 255], unit_of_row, mean[c]);
#else
                    x[c] = key_levels[(codes >> (8 * c)) & 255] * unit_of_row;
#endif
                }
                multiply_add(scores[n], ((const words4*)queries)[32 * u + me % 32], two_halves(x[0], x[1]), two_halves(x[2], x[3]));
            }
            UNROLL
            for (int e = 0; e < 4; e++)
                scores[n][e] *= strengths[e / 2];
#if WAVES
            float swings[4] = { 0, 0, 0, 0 };
            __global const uint* high = (__global const uint*)waves + (first + row) * WAVES + 2 * t;
            __global const uint* low = high + PAGE * WAVES;
            for (int u = 0; u < WAVE_UNITS; u++)
            {
                const int mine = g * WAVES + 8 * u + 2 * t, other = mine + 8 * WAVES;
                const words4 of_high = { wave_high[mine], wave_high[other], wave_high[mine + 1], wave_high[other + 1] };
                const words4 of_low = { wave_low[mine], wave_low[other], wave_low[mine + 1], wave_low[other + 1] };
                multiply_add(swings, of_high, high[8 * u], high[8 * u + 1]);
                multiply_add(swings, of_low, high[8 * u], high[8 * u + 1]);
                multiply_add(swings, of_high, low[8 * u], low[8 * u + 1]);
            }
            UNROLL
            for (int e = 0; e < 4; e++)
                scores[n][e] = fma(swings[e], wave_strengths[g + e / 2 * 8], scores[n][e]);
#endif
        }

        // Logits and the softmax of these rows.
        float most[2] = { top[0], top[1] };
        UNROLL
        for (int n = 0; n < 4; n++)
        {
            UNROLL
            for (int e = 0; e < 4; e++)
            {
                const int row = first + 16 * (n / 2) + 4 * t + 2 * (n % 2) + e % 2, i = e / 2, position = run[POSITION] + page * PAGE + row;
                float x = NOTHING;
                if (row >= from && row < to && position >= first_seen[i])
                {
                    x = (scores[n][e] + still[i]) * scale;
                    if (cap > 0)
                        x = tangent(x / cap) * cap;
                    x = (x + slopes[i] * (float)(position - at[i])) * LOG2E;
                }
                scores[n][e] = x;
                most[i] = fmax(most[i], x);
            }
        }
        UNROLL
        for (int i = 0; i < 2; i++)
        {
            const float x = largest_of_row(most[i]), factor = x == top[i] ? 1 : exp2(top[i] - x);
            top[i] = x;
            total[i] *= factor;
            UNROLL
            for (int k = 0; k < 2 * V_UNITS; k++)
            {
                sums[k][2 * i] *= factor;
                sums[k][2 * i + 1] *= factor;
            }
        }
        UNROLL
        for (int n = 0; n < 4; n++)
        {
            UNROLL
            for (int e = 0; e < 4; e++)
            {
                scores[n][e] = scores[n][e] == NOTHING ? 0 : exp2(scores[n][e] - top[e / 2]);
                total[e / 2] += scores[n][e];
            }
        }

        // Sums: sixteen rows at a time, of which a lane has four.
#if V_NUMBERS != BYTES
        __global const uchar* value_tile = block_at(values, unit_bytes, first, V_BLOCK_ROWS, V_BLOCK_BYTES) + first % V_BLOCK_ROWS / TILE * V_TILE_BYTES;
        const float* value_mean = value_means + (V_MEAN ? first / V_BLOCK_ROWS * VD : 0);
        __global const uchar* value_units = value_tile + 2 * TILE;
#endif
        UNROLL
        for (int s = 0; s < 2; s++)
        {
            const words4 weights = {
                two_halves(scores[2 * s][0], scores[2 * s][1]), two_halves(scores[2 * s][2], scores[2 * s][3]),
                two_halves(scores[2 * s + 1][0], scores[2 * s + 1][1]), two_halves(scores[2 * s + 1][2], scores[2 * s + 1][3]),
            };
            const int quad = 4 * s + t;
            float units_of_rows[4];
#if V_NUMBERS == BYTES
            __global const uchar* rows[4];
#endif
            UNROLL
            for (int r = 0; r < 4; r++)
            {
#if V_NUMBERS == BYTES
                rows[r] = block_at(values, unit_bytes, min(max(first + 4 * quad + r, from), to - 1), V_BLOCK_ROWS, V_BLOCK_BYTES);
                units_of_rows[r] = SHRUNK * float_at(rows[r]);
#else
                units_of_rows[r] = SHRUNK * half_at(value_tile + 2 * (4 * quad + r));
#endif
            }
            UNROLL
            for (int half_unit = 0; half_unit < 2; half_unit++)
            {
                const int lane = 8 * half_unit + g;
#if V_NUMBERS == PATHS
                uint states = 0;
                UNROLL
                for (int u = V_UNITS - V_REACH; u < V_UNITS; u++)
                    states = next_states(V_BITS, states, quad_codes(value_units, u, (lane + 15) % 16, quad));
#endif
                UNROLL
                for (int u = 0; u < V_UNITS; u++)
                {
                    float x[4];
#if V_NUMBERS != BYTES
                    uint codes = quad_codes(value_units, u, lane, quad);
#if V_NUMBERS == PATHS
                    codes = states = next_states(V_BITS, states, codes);
#endif
#endif
                    UNROLL
                    for (int r = 0; r < 4; r++)
                    {
#if V_NUMBERS == BYTES
                        x[r] = (float)(char)rows[r][4 + 16 * u + lane] * units_of_rows[r];
#elif V_MEAN
                        x[r] = fma(value_levels[(codes >> (8 * r)) & 255], units_of_rows[r], value_mean[16 * u + lane]);
#else
                        x[r] = value_levels[(codes >> (8 * r)) & 255] * units_of_rows[r];
#endif
                    }
                    multiply_add(sums[2 * u + half_unit], weights, two_halves(x[0], x[1]), two_halves(x[2], x[3]));
                }
            }
        }
    }

    // What warps found comes together, one after the other, then goes out.
    UNROLL
    for (int i = 0; i < 2; i++)
    {
        const float x = sum_of_row(total[i]);
        if (t == 0)
        {
            tops[warp * QUERIES + g + 8 * i] = top[i];
            totals[warp * QUERIES + g + 8 * i] = x;
        }
    }
    for (int turn_of = 0; turn_of < WARPS; turn_of++)
    {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (warp != turn_of)
            continue;
        UNROLL
        for (int i = 0; i < 2; i++)
        {
            const int q = g + 8 * i;
            const float most = fmax(fmax(tops[q], tops[QUERIES + q]), fmax(tops[2 * QUERIES + q], tops[3 * QUERIES + q])), factor = top[i] == NOTHING ? 0 : exp2(top[i] - most) * (1 / SHRUNK);
            UNROLL
            for (int k = 0; k < 2 * V_UNITS; k++)
            {
                float* to = all_sums + q * VD + 8 * k + 2 * t;
                to[0] = (warp ? to[0] : 0) + sums[k][2 * i] * factor;
                to[1] = (warp ? to[1] : 0) + sums[k][2 * i + 1] * factor;
            }
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = me; i < QUERIES * (VD + 1); i += LANES)
    {
        const int q = i / (VD + 1), c = i % (VD + 1);
        if (q / span >= task[TOKEN_COUNT] || q % span >= members)
            continue;
        __global float* result = partials + ((ulong)(first_query + q / span * heads + q % span) * work[SPLITS] + task[SPLIT]) * (VD + 2);
        if (c < VD)
        {
            result[c] = all_sums[q * VD + c];
            continue;
        }
        const float most = fmax(fmax(tops[q], tops[QUERIES + q]), fmax(tops[2 * QUERIES + q], tops[3 * QUERIES + q]));
        float all = 0;
        for (int w = 0; w < WARPS; w++)
            all += tops[w * QUERIES + q] == NOTHING ? 0 : exp2(tops[w * QUERIES + q] - most) * totals[w * QUERIES + q];
        result[VD] = most;
        result[VD + 1] = all;
    }
}
