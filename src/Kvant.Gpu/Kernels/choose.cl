// The second half of the kernels that encode (encode.cl): scales and codes of rotated rows, and where they lie.

#if NUMBERS == LEVELS
#define COUNT (1 << (BITS - 1))
// Scales that are tried side by side.
#define AT_ONCE (GROUPS * 16 >= LANES ? 1 : LANES / (GROUPS * 16))
#define SUMS (AT_ONCE * GROUPS * 16)

FUNCTION int level_of(const float magnitude, __global const float* thresholds)
{
    int level = 0;
    UNROLL
    for (int k = 0; k < COUNT - 1; k++)
        level += magnitude > thresholds[k] ? 1 : 0;
    return level;
}

__kernel __attribute__((reqd_work_group_size(LANES, 1, 1)))
void levels(__global const int* work, __global const float* table, __global const float* turned, __global uchar* codes, __global uchar* blocks, __global int* marks)
{
    __local float row[D], products[SUMS], squares[SUMS], units[GROUPS], energies[GROUPS], gains[GROUPS], multiples[GROUPS];
    const int me = get_local_id(0), number = get_group_id(0);
    __global const float* positive = table + CODES_AT;
    __global const float* thresholds = positive + COUNT;
    for (int i = me; i < D; i += LANES)
        row[i] = turned[(ulong)number * D + i];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int t = me; t < GROUPS * 16; t += LANES)
    {
        float sum = 0;
        for (int i = t % 16; i < LENGTH; i += 16)
            sum = sum + row[t / 16 * LENGTH + i] * row[t / 16 * LENGTH + i];
        squares[t] = sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (me < GROUPS)
    {
        energies[me] = total(squares + 16 * me);
        units[me] = sqrt(energies[me] / (float)LENGTH);
        multiples[me] = 1;
        gains[me] = -1;
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    // Of the scales that are tried the one whose best multiple leaves the least error.
    for (int from = 0; from < SEARCH; from += AT_ONCE)
    {
        for (int t = me; t < SUMS; t += LANES)
        {
            const int group = t / 16 % GROUPS, attempt = from + t / (16 * GROUPS);
            float product = 0, square = 0;
            if (attempt < SEARCH)
            {
                const float multiple = SEARCH == 1 ? 1 : 0.75f + 0.5f * (float)attempt / (float)(SEARCH - 1), factor = 1 / (units[group] * multiple);
                for (int i = t % 16; i < LENGTH; i += 16)
                {
                    const float x = row[group * LENGTH + i] * factor, level = positive[level_of(fabs(x), thresholds)];
                    product = product + x * (as_int(x) < 0 ? -level : level);
                    square = square + level * level;
                }
            }
            products[t] = product;
            squares[t] = square;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < GROUPS && units[me] >= NO_SCALE)
        {
            for (int i = 0; i < AT_ONCE && from + i < SEARCH; i++)
            {
                const float multiple = SEARCH == 1 ? 1 : 0.75f + 0.5f * (float)(from + i) / (float)(SEARCH - 1);
                const float product = total(products + 16 * (i * GROUPS + me)), square = total(squares + 16 * (i * GROUPS + me)), gain = multiple * multiple * product * product / square;
                if (gain > gains[me])
                {
                    gains[me] = gain;
                    multiples[me] = multiple;
                }
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    for (int t = me; t < GROUPS * 16; t += LANES)
    {
        const int group = t / 16;
        const float unit = units[group] * multiples[group], factor = unit < NO_SCALE ? 0 : 1 / unit;
        float product = 0, square = 0;
        for (int i = t % 16; i < LENGTH; i += 16)
        {
            const float x = row[group * LENGTH + i] * factor;
            const int nearest = level_of(fabs(x), thresholds), negative = as_int(x) < 0;
            const float level = positive[nearest];
            codes[(ulong)number * D + group * LENGTH + i] = (uchar)(negative ? COUNT - 1 - nearest : COUNT + nearest);
            product = product + x * (negative ? -level : level);
            square = square + level * level;
        }
        products[t] = product;
        squares[t] = square;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (me < GROUPS)
    {
        const float unit = units[me] * multiples[me], product = total(products + 16 * me), square = total(squares + 16 * me);
        float scale = unit;
        if (unit < NO_SCALE)
            scale = 0;
        else if (RULE == CORRECTED)
            scale = sqrt(energies[me] / square);
        else if (RULE == LEAST_SQUARES)
            scale = unit * product / square;
        else if (RULE == UNBIASED)
            scale = energies[me] / (unit * product);
        store_scale(work, blocks, marks, number, me, scale);
    }
}
#else
#define STATES 256
#define STATE_GROUPS (STATES >> BITS)
// Groups of numbers that a work-group takes: a work-item is a group of states of one of them.
#define TAKEN (LANES / STATE_GROUPS)
#define WORST 65535

// The coordinate that a path visits in a step.
FUNCTION int visited(const int step)
{
    return step % (LENGTH / 16) * 16 + step / (LENGTH / 16);
}

// The state from which one was reached.
FUNCTION int state_before(__local const uchar* choices, const int taken, const int state, const int step)
{
    const int group = state >> BITS;
    return choices[step * LANES + taken * STATE_GROUPS + group] * STATE_GROUPS + group;
}

__kernel __attribute__((reqd_work_group_size(LANES, 1, 1)))
void paths(__global const int* work, __global const float* table, __global const float* turned, __global uchar* codes, __global uchar* blocks, __global int* marks)
{
    __local ushort metrics[2 * TAKEN * STATES];
    __local uchar choices[STEPS * LANES];
    __local short numbers[TAKEN * LENGTH], meanings[STATES];
    __local int least[3 * TAKEN], found[TAKEN];
    __local float sums[2 * TAKEN * 16], units[TAKEN], energies[TAKEN];
    const int me = get_local_id(0), taken = me / STATE_GROUPS, group = me % STATE_GROUPS, first = get_group_id(0) * TAKEN;
    // Groups of numbers follow each other as rows do.
    __global const float* mine = turned + (ulong)first * LENGTH;
    __global const float* unit_levels = table + CODES_AT;
    for (int i = me; i < STATES; i += LANES)
        meanings[i] = (short)(int)unit_levels[STATES + i];
    if (me < 16 * TAKEN)
    {
        float sum = 0;
        for (int i = me % 16; i < LENGTH; i += 16)
            sum = sum + mine[me / 16 * LENGTH + i] * mine[me / 16 * LENGTH + i];
        sums[me] = sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (me < TAKEN)
    {
        energies[me] = total(sums + 16 * me);
        units[me] = sqrt(energies[me] / (float)LENGTH);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = me; i < TAKEN * LENGTH; i += LANES)
    {
        const float unit = units[i / LENGTH], factor = unit < NO_SCALE ? 0 : FINE / (unit * STEP), x = mine[i / LENGTH * LENGTH + visited(i % LENGTH)] * factor;
        numbers[i] = (short)((int)(fmin(fmax(x, -32767.0f), 32767.0f) + 32768.5f) - 32768);
    }

    // Viterbi's algorithm, twice: a walk around the first number, which begins and ends as it likes, says in which state the row begins; another, through all numbers, begins and ends in it.
    // (One text for both: a function with barriers that is called twice is compiled wrongly by pocl 3.1.) Metrics count from the least of the step before.
    for (int i = me; i < TAKEN * STATES; i += LANES)
        metrics[i] = 0;
    if (me < TAKEN)
        found[me] = 0x7fffffff;
    for (int pass = 0; pass < 2; pass++)
    {
        const int steps = pass ? LENGTH : AROUND, from = pass ? 0 : (LENGTH - AROUND / 2 % LENGTH) % LENGTH;
        if (me < TAKEN)
            least[me] = WORST;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int step = 0; step < steps; step++)
        {
            const int old = (step % 2 * TAKEN + taken) * STATES, next = ((step + 1) % 2 * TAKEN + taken) * STATES, number = numbers[taken * LENGTH + (from + step) % LENGTH];
            int choice = 0, metric = metrics[old + group];
            UNROLL
            for (int j = 1; j < 1 << BITS; j++)
            {
                const int other = metrics[old + j * STATE_GROUPS + group];
                choice = other < metric ? j : choice;
                metric = min(other, metric);
            }
            choices[step * LANES + me] = (uchar)choice;
            metric = max(0, metric - (step ? least[(step + 2) % 3 * TAKEN + taken] : 0));
            atomic_min(least + step % 3 * TAKEN + taken, metric);
            // For the step after this one; who read it last did so in the step before.
            if (group == 0)
                least[(step + 1) % 3 * TAKEN + taken] = WORST;
            UNROLL
            for (int k = 0; k < 1 << BITS; k++)
            {
                const int difference = max(-32768, min(32767, number - meanings[(group << BITS) + k]));
                metrics[next + (group << BITS) + k] = (ushort)min(WORST, metric + ((difference * difference + (1 << 14)) >> 15));
            }
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (pass == 0)
        {
            UNROLL
            for (int k = 0; k < 1 << BITS; k++)
            {
                const int state = (group << BITS) + k;
                atomic_min(found + taken, (metrics[(AROUND % 2 * TAKEN + taken) * STATES + state] << 8) | state);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        if (group == 0)
        {
            int state = found[taken] & 255;
            for (int step = steps - 1; step >= (pass ? 0 : AROUND / 2); step--)
            {
                if (pass)
                {
                    int code = 0;
                    UNROLL
                    for (int b = 0; b < BITS; b++)
                        code |= ((state >> b) & 1) << (BITS - 1 - b);
                    codes[(ulong)(first + taken) * LENGTH + visited(step)] = (uchar)code;
                    numbers[taken * LENGTH + visited(step)] = (short)state;
                }
                state = state_before(choices, taken, state, step);
            }
            found[taken] = state;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = me; i < TAKEN * STATES; i += LANES)
            metrics[i] = i % STATES == found[i / STATES] ? 0 : WORST;
    }

    barrier(CLK_LOCAL_MEM_FENCE);
    if (me < 16 * TAKEN)
    {
        float product = 0, square = 0;
        for (int i = me % 16; i < LENGTH; i += 16)
        {
            const float level = unit_levels[numbers[me / 16 * LENGTH + i]];
            product = product + mine[me / 16 * LENGTH + i] * level;
            square = square + level * level;
        }
        sums[me] = product;
        sums[16 * TAKEN + me] = square;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (me < TAKEN)
    {
        const float product = total(sums + 16 * me), square = total(sums + 16 * (TAKEN + me));
        float scale = units[me];
        if (units[me] < NO_SCALE || product <= 0)
            scale = 0;
        else if (RULE == CORRECTED)
            scale = sqrt(energies[me] / square);
        else if (RULE == LEAST_SQUARES)
            scale = product / square;
        else if (RULE == UNBIASED)
            scale = energies[me] / product;
        store_scale(work, blocks, marks, (first + me) / GROUPS, (first + me) % GROUPS, scale);
    }
}
#endif

// Four codes of a lane of a register, in the order of keys or of values, as the bytes of a word.
FUNCTION uint four_codes(__global const uchar* codes, const int unit, const int lane, const int number)
{
    uint word = 0;
    UNROLL
    for (int j = 0; j < 4; j++)
    {
        const int row = KEYS ? number / 4 * 16 + lane : number * 4 + j, coordinate = KEYS ? number % 4 * 4 + j : lane;
        word |= (uint)codes[row * D + unit * 16 + coordinate] << (8 * j);
    }
    return word;
}

__kernel __attribute__((reqd_work_group_size(LANES, 1, 1)))
void pack(__global const uchar* codes, __global uchar* blocks)
{
    const int tile = get_group_id(0), of_block = BLOCK_ROWS / TILE;
    __global const uchar* mine = codes + (ulong)tile * TILE * D;
    __global uchar* units = blocks + (ulong)(tile / of_block) * BLOCK_STRIDE + tile % of_block * TILE_BYTES + GROUPS * 2 * TILE;
    for (int i = get_local_id(0); i < D; i += LANES)
    {
        uint r[8];
        UNROLL
        for (int k = 0; k < 8; k++)
            r[k] = four_codes(mine, i / 16, i % 16, k);
        __global uint* to = (__global uint*)(units + i / 16 * 64 * BITS) + i % 16;
#if BITS == 4
        UNROLL
        for (int s = 0; s < 4; s++)
            to[16 * s] = r[2 * s] | (r[2 * s + 1] << 4);
#elif BITS == 3
        const uint rest = r[6] | (r[7] << 3);
        to[0] = r[0] | (r[1] << 3) | ((rest & 0x03030303u) << 6);
        to[16] = r[2] | (r[3] << 3) | ((rest & 0x0c0c0c0cu) << 4);
        to[32] = r[4] | (r[5] << 3) | ((rest & 0x30303030u) << 2);
#elif BITS == 2
        to[0] = r[0] | (r[1] << 2) | (r[2] << 4) | (r[3] << 6);
        to[16] = r[4] | (r[5] << 2) | (r[6] << 4) | (r[7] << 6);
#else
        to[0] = r[0] | (r[1] << 1) | (r[2] << 2) | (r[3] << 3) | (r[4] << 4) | (r[5] << 5) | (r[6] << 6) | (r[7] << 7);
#endif
    }
}
