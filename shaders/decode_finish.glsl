// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The end of a stage of decode over capacity: what its last workgroup does.
shared uint shared_sums[DECODE_LOCAL];
shared uint shared_last;

// Adds the numbers of all lanes up to the lane where `need` is reached, or of all. Returns this lane, or DECODE_LOCAL, and the sum before it.
uvec2 find_lane(uint number, uint before, uint need)
{
    shared_sums[gl_LocalInvocationID.x] = number;
    barrier();
    uint lane = 0;
    while (lane < DECODE_LOCAL && before + shared_sums[lane] < need)
        before += shared_sums[lane++];
    barrier();
    return uvec2(lane, before);
}

// Goes through the histogram, downwards or upwards, to the bin where `need` is reached. Returns it, and the count of the bins before it.
uvec2 find_bin(uint need, bool downwards)
{
    const uint lane = gl_LocalInvocationID.x, row_bins = DECODE_LOCAL * 16, flip = downwards ? DECODE_BINS - 1 : 0;
    uint row = 0, before = 0;
    for (; row < DECODE_BINS; row += row_bins) { // neighbours read neighbours
        uint sum = 0;
        for (uint i = 0; i < row_bins; i += DECODE_LOCAL)
            sum += words[DECODE_HISTOGRAM + ((row + i + lane) ^ flip)];
        const uvec2 found = find_lane(sum, before, need);
        if (found.x < DECODE_LOCAL)
            break;
        before = found.y;
    }
    uint sum = 0;
    for (uint i = 0; i < 16; i++)
        sum += words[DECODE_HISTOGRAM + ((row + lane * 16 + i) ^ flip)];
    const uvec2 found = find_lane(sum, before, need);
    uint bin = row + found.x * 16, count = 0;
    for (before = found.y; before + (count = words[DECODE_HISTOGRAM + (bin ^ flip)]) < need; bin++)
        before += count;
    return uvec2(bin ^ flip, before);
}

// True in every lane of the workgroup that is the last of a stage, and only there. Called by all.
bool is_last()
{
    memoryBarrierBuffer();
    barrier();
    if (gl_LocalInvocationID.x == 0)
        shared_last = atomicAdd(words[DECODE_TICKETS], 1) + 1;
    barrier();
    memoryBarrierBuffer();
    return shared_last == push.groups_all;
}

// After the gathering: the first of the tied pairs of the chunk that is kept in part.
void list_ties()
{
    if (gl_LocalInvocationID.x != 0)
        return;
    uint need = words[DECODE_NEED], slot = words[DECODE_KEPT];
    for (uint word = 0; word < DECODE_BITMAP_WORDS && need > 0; word++) {
        for (uint bits = words[DECODE_BITMAP + word]; bits != 0 && need > 0; bits &= bits - 1) {
            list_pair(slot++, (words[DECODE_CHUNK] << push.shift) + 32 * word + uint(findLSB(bits)), words[DECODE_CUT]);
            need--;
        }
    }
}

// The end of every stage that visits pairs.
void finish_stage()
{
    if (MODE == DECODE_APPEND || !is_last())
        return;
    if (MODE == DECODE_GATHER) {
        list_ties();
    } else {
        const uint need = words[DECODE_NEED];
        const uvec2 bin = find_bin(need, MODE != DECODE_TIES);
        barrier();
        for (uint i = gl_LocalInvocationID.x; i < DECODE_BINS; i += DECODE_LOCAL)
            words[DECODE_HISTOGRAM + i] = 0;
        if (gl_LocalInvocationID.x == 0) {
            words[DECODE_NEED] = need - bin.y;
            if (MODE == DECODE_HIGH)
                words[DECODE_CUT] = bin.x << 16;
            else if (MODE == DECODE_LOW)
                words[DECODE_CUT] |= bin.x;
            else
                words[DECODE_CHUNK] = bin.x;
        }
    }
    if (gl_LocalInvocationID.x == 0)
        words[DECODE_TICKETS] = 0;
}
