// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The (anchor, class) pairs of some channel blocks of a pixel, read from the logits. Needs decode.glsl and the input `classes`.

// Visits those at or above the threshold of at most DECODE_BLOCKS blocks: from `block` to before block_end. First a mask without branches, then
// the few that pass (drivers that run both sides of a branch pay for the second part once an invocation).
void visit_blocks(uint pixel, uint block, uint block_end)
{
    const uint first = push.window_first + (block - push.block_first) * push.pitch + pixel;
    uint mask = 0;
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        const uint at = min(block + b, block_end - 1) - block;
        const vec4 logits = LOAD(classes, first + at * push.pitch);
        [[unroll]] for (uint c = 0; c < 4; c++)
            mask |= uint(logits[c] >= params.threshold) << (4 * b + c);
    }
    const uint channels = min(block_end * 4, push.anchors * push.classes) - block * 4;
    mask &= channels < 32 ? (1u << channels) - 1 : 0xffffffffu;
    while (mask != 0) {
        const uint bit = uint(findLSB(mask));
        mask &= mask - 1;
        const uint key = key_of(LOAD(classes, first + (bit >> 2) * push.pitch)[bit & 3u]);
        if (key >= LOWEST) // with anchor = channel / classes, class = channel % classes
            visit(pixel * push.anchors * push.classes + block * 4 + bit, key);
    }
}
