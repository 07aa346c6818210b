// The results of a query's ranges become one, in the same order however they came about. A work-group is a query.
__kernel __attribute__((reqd_work_group_size(LANES, 1, 1)))
void merge(__global const float* partials, __global const int* work, __global float* results)
{
    const int splits = work[SPLITS];
    __global const float* parts = partials + (ulong)get_group_id(0) * splits * (VD + 2);
    __global float* result = results + (ulong)get_group_id(0) * (VD + 2);
    float top = NOTHING, total = 0;
    for (int s = 0; s < splits; s++)
        top = fmax(top, parts[s * (VD + 2) + VD]);
    for (int s = 0; s < splits; s++)
        total += parts[s * (VD + 2) + VD] == NOTHING ? 0 : exp2(parts[s * (VD + 2) + VD] - top) * parts[s * (VD + 2) + VD + 1];
    for (int c = get_local_id(0); c < VD; c += LANES)
    {
        float x = 0;
        for (int s = 0; s < splits; s++)
            x += parts[s * (VD + 2) + VD] == NOTHING ? 0 : exp2(parts[s * (VD + 2) + VD] - top) * parts[s * (VD + 2) + c];
        result[c] = x;
    }
    if (get_local_id(0) == 0)
    {
        result[VD] = top;
        result[VD + 1] = total;
    }
}
