// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Which kernel variants there are, and which are good on which class of devices: data only.
#pragma once

#include "gpu/device.h"
#include "net/graph.h"

// A register tile of one invocation, as built by shaders/meson.build, in workgroups of `local`
// invocations.
struct variant {
    const char *tile; // suffix of the shader build: "16x4"; "" when there is only one
    int channels;     // results of an invocation: channels x rows x cols
    int rows, cols;
    int local;
    float rate;   // multiply-adds a nanosecond of one core or multiprocessor, to compare variants
    int across;   // invocations side by side along output channels; 0: one
    int split;    // shares of the invocations that sum up different inputs; 0: one
    bool address; // weights by device address: for devices with the feature "address"
    int lanes;    // invocations that share a tile as one vector, all values by device address: for
                  // devices with the feature "lanes"; 0: an invocation has its own
};
bool variant_runs(const struct variant *variant, const struct device_features *features);
// Tiles of a workgroup.
int variant_tiles(const struct variant *variant);
// Results of a workgroup: pixels (in the order of lanes), and channels.
int variant_pixels(const struct variant *variant);
int variant_channels(const struct variant *variant);

// What a class of devices likes.
struct class_plan {
    enum device_class device_class;
    bool half;          // fp16 storage is faster, where the device has it
    bool texel;         // read through texel buffers
    bool texel_words;   // the picture too, by single words
    bool group_partial; // depthwise: one partial sum a workgroup (shared memory) instead of a tile
    int units;          // workgroups that run at once; 0 = the machine's processors
    float group_ns;     // cost of a workgroup that does nothing
    int node_blocks;    // node: channel blocks of an invocation
    const struct variant *stem, *pointwise, *depthwise, *plain; // each ends with tile == NULL
};

const struct class_plan *class_plan(enum device_class device_class);
// The kind of device to plan for: the device's own, unless cpu_plan contradicts it.
const struct class_plan *plan_for(const struct device *device, bool cpu_plan);
// What the fusion pass makes for a kind of device.
const struct fuse_options *fusion_for(const struct class_plan *plan);
// The variants of a stem; NULL for an unknown stem.
const struct variant *variants_of(const struct class_plan *plan, const char *stem);
// Estimated time of `groups` workgroups of a variant that do `terms` multiply-adds for each result.
double variant_cost(const struct class_plan *plan, const struct variant *variant, double groups,
                    double terms);
// "texel_16x4", "buffer_16x4", ...: the names that EFFDET_VARIANT takes for a stem, of what a device
// with these features can run (NULL: all). NULL-terminated, owned; empty for an unknown stem.
char **variant_names(const char *stem, const struct device_features *features);
// The first row of a list that starts at `variants` and has this tile, or NULL.
const struct variant *variant_find(const struct variant *variants, const char *tile);
