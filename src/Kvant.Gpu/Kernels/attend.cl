// Attention of a few queries over compressed rows, in OpenCL C; clang compiles the same text for CUDA (docs/gpu.md).
//
// A work-group of 128 takes all queries of one key-value head (or some, where they are many) over a range of pages of 128 rows. What is unpacked is unpacked once
// for all of them. Per page:
//   scores   a work-item is a row: it unpacks the row's codes as it goes along and adds up its products with every query;
//   softmax  over the page, relative to the largest logit so far;
//   sums     a work-item is a coordinate of the values (or some, or some rows of one): it unpacks that coordinate of every row.
// Another kernel merges the results of the ranges. Sums stay in the basis of the codes: the processor takes them out of it.

// Coordinates of a work-item, and work-items of a coordinate.
#define COORDINATES ((VD + LANES - 1) / LANES)
#define PARTS (VD > 64 ? 1 : VD > 32 ? 2 : VD > 16 ? 4 : 8)
#define LANES_OF_PART (LANES / PARTS)

#define MEAN_FLOATS (K_MEANS * KD > V_MEANS * VD ? K_MEANS * KD : V_MEANS * VD)

__kernel __attribute__((reqd_work_group_size(LANES, 1, 1)))
void attend(SLABS, __global const int* work, __global const float* asked, __global const float* tables, __global const float* waves, __global const float* turns, __global float* partials)
{
    __local __attribute__((aligned(16))) float queries[KD * Q], weights[PAGE * Q], means[MEAN_FLOATS + 1], key_levels[256], value_levels[256], scales[V_GROUPS * PAGE];
    __local float largest[8 * Q], tops[Q], factors[Q], totals[Q], still[Q], of_mean[4 * Q];
#if WAVES
    __local float wave[2 * WAVES * Q];
#endif
    const int me = get_local_id(0);
    __global const int* task = work + work[TASKS] + get_group_id(0) * TASK_INTS;
    __global const int* run = work + work[RUNS] + task[RUN] * RUN_INTS;
    __global const int* pages = work + work[PAGES] + 2 * run[FIRST_ENTRY];
    const int heads = work[QUERY_HEADS], group = work[GROUP_SIZE], members = min(GROUP, group - task[FIRST_MEMBER]), sinks = run[IS_SINKS];
    const int first_query = task[FIRST_TOKEN] * heads + task[HEAD] * group + task[FIRST_MEMBER];
    const float scale = as_float(work[SCALE]), cap = as_float(work[SOFT_CAP]);

    for (int i = me; i < KD * Q; i += LANES)
    {
        const int q = i % Q, real = q / GROUP < task[TOKEN_COUNT] && q % GROUP < members;
        queries[i] = real ? asked[(ulong)(first_query + q / GROUP * heads + q % GROUP + (sinks ? work[SINK_QUERIES] : 0)) * STRIDE + i / Q] : 0;
    }
    for (int i = me; i < 256; i += LANES)
    {
        key_levels[i] = tables[i];
        value_levels[i] = tables[256 + i];
    }
    if (me < Q)
    {
        tops[me] = NOTHING;
        totals[me] = 0;
        still[me] = me / GROUP < task[TOKEN_COUNT] && me % GROUP < members ? asked[(ulong)(first_query + me / GROUP * heads + me % GROUP + (sinks ? work[SINK_QUERIES] : 0)) * STRIDE + STRIDE - 1] : 0;
    }
    float sums[COORDINATES * Q];
    for (int i = 0; i < COORDINATES * Q; i++)
        sums[i] = 0;

    for (int page = task[FROM_PAGE]; page < task[TO_PAGE]; page++)
    {
        const int entry = PAGED ? page - run[FIRST_PAGE] : 0, from = max(0, run[FIRST_ROW] - page * PAGE), to = min(PAGE, run[END_ROW] - page * PAGE);
        __global const uchar* keys = SLAB(pages[2 * entry]) + (ulong)(uint)pages[2 * entry + 1] * 16 + (ulong)task[HEAD] * work[HEAD_BYTES];
        __global const uchar* values = keys + work[VALUES_AT];
        const int unit_bytes = work[UNIT_BYTES];
        barrier(CLK_LOCAL_MEM_FENCE);
#if K_MEAN
        for (int i = me; i < K_MEANS * KD; i += LANES)
        {
            const int row = i / KD * K_BLOCK_ROWS;
            means[i] = row >= from / K_BLOCK_ROWS * K_BLOCK_ROWS && row < to ? mean_at(K_MEAN, block_at(keys, unit_bytes, row, K_BLOCK_ROWS, K_BLOCK_BYTES) + K_MEAN_AT, i % KD) : 0;
        }
#endif
#if WAVES
        // What the shared vector adds, as waves that begin with this page.
        for (int i = me; i < WAVES * Q; i += LANES)
        {
            const int j = i / Q, q = i % Q, real = q / GROUP < task[TOKEN_COUNT] && q % GROUP < members;
            __global const float* numbers = asked + (ulong)(first_query + (real ? q / GROUP * heads + q % GROUP : 0) + (sinks ? work[SINK_QUERIES] : 0)) * STRIDE + KD;
            const float a = numbers[j], b = numbers[WAVES + j], c = turns[(ulong)page * 2 * WAVES + j], s = turns[(ulong)page * 2 * WAVES + WAVES + j];
            wave[(2 * j) * Q + q] = a * c + b * s;
            wave[(2 * j + 1) * Q + q] = b * c - a * s;
        }
#endif
        barrier(CLK_LOCAL_MEM_FENCE);

        // Scores: a work-item is a row.
        {
            float scores[Q];
            const int row = PAGED ? me : (page * PAGE + me) % run[RING], there = me >= from && me < to, position = run[POSITION] + page * PAGE + me;
            if (there)
            {
                score(scores, block_at(keys, unit_bytes, row, K_BLOCK_ROWS, K_BLOCK_BYTES), row, queries, means + (K_MEAN ? row / K_BLOCK_ROWS * KD : 0), key_levels);
#if WAVES
                for (int j = 0; j < WAVES; j++)
                {
                    const float c = waves[2 * j * PAGE + me], s = waves[(2 * j + 1) * PAGE + me];
                    for (int q = 0; q < Q; q++)
                        scores[q] = fma(wave[2 * j * Q + q], c, fma(wave[(2 * j + 1) * Q + q], s, scores[q]));
                }
#endif
            }
            UNROLL_QUERIES
            for (int q = 0; q < Q; q++)
            {
                __global const int* sight = work + work[SIGHTS] + (task[FIRST_TOKEN] + q / GROUP) * SIGHT_INTS;
                float x = NOTHING;
                if (there && q / GROUP < task[TOKEN_COUNT] && q % GROUP < members && position >= sight[sinks ? FROM_SINK : FROM_TOKEN] && position < sight[TO_TOKEN])
                {
                    x = (scores[q] + still[q]) * scale;
                    if (cap > 0)
                        x = tangent(x / cap) * cap;
                    if (work[SLOPES])
                        x += as_float(work[work[SLOPES] + task[HEAD] * group + task[FIRST_MEMBER] + q % GROUP]) * (float)(position - sight[AT]);
                    x *= LOG2E;
                }
                weights[me * Q + q] = x;
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);

        // Softmax: eight work-items find the largest logit of a query, then everybody takes its row's weights.
        if (me < 8 * Q)
        {
            float x = NOTHING;
            for (int row = me % 8 * 16; row < me % 8 * 16 + 16; row++)
                x = fmax(x, weights[row * Q + me / 8]);
            largest[me] = x;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < Q)
        {
            float x = tops[me];
            for (int i = 0; i < 8; i++)
                x = fmax(x, largest[me * 8 + i]);
            factors[me] = x == tops[me] ? 1 : exp2(tops[me] - x);
            tops[me] = x;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int q = 0; q < Q; q++)
            weights[me * Q + q] = weights[me * Q + q] == NOTHING ? 0 : exp2(weights[me * Q + q] - tops[q]);
#if V_MEAN
        for (int i = me; i < V_MEANS * VD; i += LANES)
        {
            const int row = i / VD * V_BLOCK_ROWS;
            means[i] = row >= from / V_BLOCK_ROWS * V_BLOCK_ROWS && row < to ? mean_at(V_MEAN, block_at(values, unit_bytes, row, V_BLOCK_ROWS, V_BLOCK_BYTES) + V_MEAN_AT, i % VD) : 0;
        }
#endif
#if V_NUMBERS == LEVELS || V_NUMBERS == PATHS
        for (int g = 0; g < V_GROUPS; g++)
            scales[g * PAGE + me] = me >= from / TILE * TILE && me < to ? half_at(block_at(values, unit_bytes, me, V_BLOCK_ROWS, V_BLOCK_BYTES) + me % V_BLOCK_ROWS / TILE * (V_GROUPS * 2 * TILE + VD / 16 * 64 * V_BITS) + 2 * (g * TILE + me % TILE)) : 0;
#elif V_NUMBERS == BYTES
        scales[me] = me >= from && me < to ? float_at(block_at(values, unit_bytes, PAGED ? me : (page * PAGE + me) % run[RING], V_BLOCK_ROWS, V_BLOCK_BYTES)) : 0;
#endif
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < 4 * Q)
        {
            float x = 0;
            for (int row = me / Q * TILE; row < me / Q * TILE + TILE; row++)
                x += weights[row * Q + me % Q];
            of_mean[me] = x;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < Q)
            totals[me] = totals[me] * factors[me] + (of_mean[me] + of_mean[Q + me]) + (of_mean[2 * Q + me] + of_mean[3 * Q + me]);

        // Sums: a work-item is a coordinate.
        for (int i = 0; i < COORDINATES; i++)
        {
            const int c = me % LANES_OF_PART + i * LANES, part = me / LANES_OF_PART;
            float* mine = sums + i * Q;
            for (int q = 0; q < Q; q++)
                mine[q] *= factors[q];
            if (c >= VD)
                continue;
#if V_NUMBERS == LEVELS || V_NUMBERS == PATHS
            for (int row = from / TILE * TILE; row < to; row += TILE)
            {
                __global const uchar* tile = block_at(values, unit_bytes, row, V_BLOCK_ROWS, V_BLOCK_BYTES) + row % V_BLOCK_ROWS / TILE * (V_GROUPS * 2 * TILE + VD / 16 * 64 * V_BITS);
                add_tile(mine, tile, c, part, PARTS, weights + row * Q, scales + row, value_levels);
            }
#else
            for (int row = from + part; row < to; row += PARTS)
            {
                __global const uchar* block = block_at(values, unit_bytes, PAGED ? row : (page * PAGE + row) % run[RING], V_BLOCK_ROWS, V_BLOCK_BYTES);
#if V_NUMBERS == HALVES
                const float x = half_at(block + 2 * c);
#elif V_NUMBERS == SINGLES
                const float x = float_at(block + 4 * c);
#else
                const float x = (float)(char)block[4 + c] * scales[row];
#endif
                for (int q = 0; q < Q; q++)
                    mine[q] = fma(x, weights[row * Q + q], mine[q]);
            }
#endif
#if V_MEAN
            for (int tile = part; tile < PAGE / TILE; tile += PARTS)
            {
                for (int q = 0; q < Q; q++)
                    mine[q] = fma(means[tile * TILE / V_BLOCK_ROWS * VD + c], of_mean[tile * Q + q], mine[q]);
            }
#endif
        }
    }

    // What parts of a coordinate found comes together; then the result goes out: sums, the largest logit, the sum of weights.
    for (int i = 0; i < COORDINATES; i++)
    {
        const int c = me % LANES_OF_PART + i * LANES;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int q = 0; q < Q; q++)
            weights[me * Q + q] = sums[i * Q + q];
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int q = 0; q < Q && me < LANES_OF_PART && c < VD; q++)
        {
            float x = 0;
            for (int part = 0; part < PARTS; part++)
                x += weights[(part * LANES_OF_PART + me) * Q + q];
            if (q / GROUP < task[TOKEN_COUNT] && q % GROUP < members)
                partials[((ulong)(first_query + q / GROUP * heads + q % GROUP) * work[SPLITS] + task[SPLIT]) * (VD + 2) + c] = x;
        }
    }
    if (me < Q && me / GROUP < task[TOKEN_COUNT] && me % GROUP < members)
    {
        __global float* result = partials + ((ulong)(first_query + me / GROUP * heads + me % GROUP) * work[SPLITS] + task[SPLIT]) * (VD + 2);
        result[VD] = tops[me];
        result[VD + 1] = totals[me];
    }
}
