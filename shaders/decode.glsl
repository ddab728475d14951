// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the stages of decode share: keys of logits, the scratch memory, and what is done with each pair that passes. Exactly the best `capacity` pairs are kept, ties to the lower index: if more pass, their keys are counted in a histogram,
// 16 bits at a time from the top, until the key of the last one kept is known; pairs tied with it are counted by index likewise.
layout(constant_id = DECODE_SPEC_MODE) const uint MODE = DECODE_APPEND;
layout(set = 0, binding = 1, std430) coherent buffer Scratch { uint words[]; }; // see interface.h

#if HALF
#define LOWEST params.threshold_key_half
#else
#define LOWEST params.threshold_key
#endif

// Logits as unsigned numbers of the same order, by bits, so that no compiler's idea of NaN matters: 0 for NaN. In fp16 storage the key has 16
// bits and lies in the upper half.
uint key_of(float logit)
{
#if HALF
    const uint half_bits = packHalf2x16(vec2(logit, 0)) & 0xffffu;
    const uint bits = half_bits == 0x8000u ? 0 : half_bits; // -0 counts as 0
    if ((bits & 0x7fffu) > 0x7c00u)
        return 0;
    return (bits >= 0x8000u ? 0xffffu - bits : bits | 0x8000u) << 16;
#else
    const uint float_bits = floatBitsToUint(logit);
    const uint bits = float_bits == 0x80000000u ? 0 : float_bits;
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return 0;
    return bits >= 0x80000000u ? ~bits : bits | 0x80000000u;
#endif
}

float logit_of(uint key)
{
#if HALF
    key >>= 16;
    return unpackHalf2x16(key >= 0x8000u ? key & 0x7fffu : 0xffffu - key).x;
#else
    return uintBitsToFloat(key >= 0x80000000u ? key & 0x7fffffffu : ~key);
#endif
}

void list_pair(uint slot, uint index, uint key)
{
    if (slot < push.capacity) {
        words[DECODE_LIST + 2 * slot] = index;
        words[DECODE_LIST + 2 * slot + 1] = key;
    }
}

// A pair at or above the threshold.
void visit(uint index, uint key)
{
    if (MODE == DECODE_APPEND) {
        list_pair(atomicAdd(words[DECODE_FOUND], 1), index, key);
        return;
    }
    const uint cut = words[DECODE_CUT], chunk = words[DECODE_CHUNK];
    if (MODE == DECODE_HIGH) {
        atomicAdd(words[DECODE_HISTOGRAM + (key >> 16)], 1);
    } else if (MODE == DECODE_LOW) {
        if (key >> 16 == cut >> 16)
            atomicAdd(words[DECODE_HISTOGRAM + (key & 0xffffu)], 1);
    } else if (MODE == DECODE_TIES) {
        if (key == cut)
            atomicAdd(words[DECODE_HISTOGRAM + (index >> push.shift)], 1);
    } else if (key > cut || (key == cut && index >> push.shift < chunk)) {
        list_pair(atomicAdd(words[DECODE_KEPT], 1), index, key);
    } else if (key == cut && index >> push.shift == chunk) {
        const uint bit = index & ((1u << push.shift) - 1);
        atomicOr(words[DECODE_BITMAP + (bit >> 5)], 1u << (bit & 31));
    }
}
