// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What a backbone is, as data. The table of them is in config.c.
#pragma once
#include <stdbool.h>

#define MAX_STAGES 7

enum activation { ACT_NONE, ACT_SWISH, ACT_RELU6, ACT_RELU, ACT_SIGMOID };

enum block_kind {
    BLOCK_MBCONV,     // 1x1, depthwise, 1x1
    BLOCK_FUSED,      // dense kxk, 1x1 (spec 1.9)
    BLOCK_PLAIN,      // dense kxk (spec 1.9)
    BLOCK_BOTTLENECK, // 1x1, dense kxk, 1x1 of a ResNet
};

// One stage of blocks after width and depth scaling (spec 1.4).
struct stage {
    int repeats, kernel, stride, expand; // stride of the first block; no repeats: no stage
    int in, out;                         // channels
    enum block_kind kind;
    int middle;   // channels inside every block; 0: those that enter it, expanded
    bool no_skip; // blocks do not add what enters them
};

struct backbone {
    const char *name; // "b0".."b7", "lite0".."lite4", ...
    bool lite;        // sees pictures as -1 .. 1
    bool squeeze;     // MBConv blocks have squeeze-excite
    bool wide;        // taps are what the last blocks of their stages project from
    enum activation act;
    int stem;    // output channels of the stem
    int taps[3]; // stages that end in C3, C4, C5
    struct stage stages[MAX_STAGES];
};

const struct backbone *backbone_find(const char *name);

// Squeeze-excite width of a block with `in` input channels (spec 1.3).
int squeeze_width(int in);
// Channels of C3, C4, C5.
void backbone_taps(const struct backbone *backbone, int channels[3]);
