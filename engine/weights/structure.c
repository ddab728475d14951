// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reads the structure of a network off the names and shapes of its tensors (spec 1.4, 4, 5, 9.9).
// Counts come from all the names, so that a single missing or misshapen tensor does not hide what
// the rest says and is named when it is read.
#include "net/fpn_layout.h"
#include "weights/recognise.h"

#include "effdet/effdet.h"

#include <stdio.h>
#include <string.h>

struct counts {
    int blocks[MAX_STAGES]; // repeats of each stage
    int cells, nodes, repeats, levels;
    bool squeeze, bias, per_level;
    bool edges[MAX_FPN_NODES]; // nodes with edge weights
    bool dense;                // nodes and heads with 3x3 dense convolutions
    bool wild;                 // an index beyond any network
};

#define MAX_COUNT 64 // cells and layers of a head

// count becomes more than index; an index that no network has makes the file unknown.
static void reach(struct counts *counts, int *count, int index, int limit)
{
    if (index < 0 || index >= limit) {
        counts->wild = true;
        return;
    }
    *count = MAX(*count, index + 1);
}

static void count_name(struct counts *counts, const char *name)
{
    int a, b, consumed = 0;
    if (sscanf(name, "backbone.blocks.%d.%d.", &a, &b) == 2) {
        if (a >= 0 && a < MAX_STAGES) {
            reach(counts, &counts->blocks[a], b, MAX_FLAT_BLOCKS);
        }
        counts->squeeze = counts->squeeze || strstr(name, ".se.") != NULL;
    } else if (sscanf(name, "backbone.layer%d.%d.", &a, &b) == 2) {
        if (a >= 1 && a <= MAX_STAGES) {
            reach(counts, &counts->blocks[a - 1], b, MAX_FLAT_BLOCKS);
        }
    } else if (sscanf(name, "fpn.cell.%d.fnode.%d.%n", &a, &b, &consumed) == 2 && consumed > 0) {
        const char *rest = name + consumed;
        reach(counts, &counts->cells, a, MAX_COUNT);
        reach(counts, &counts->nodes, b, MAX_FPN_NODES);
        counts->bias = counts->bias || g_str_equal(rest, "after_combine.conv.conv_pw.bias") ||
                       g_str_equal(rest, "after_combine.conv.conv.bias");
        counts->dense = counts->dense || g_str_equal(rest, "after_combine.conv.conv.weight");
        if (b >= 0 && b < MAX_FPN_NODES && g_str_equal(rest, "combine.edge_weights")) {
            counts->edges[b] = true;
        }
    } else if (sscanf(name, "class_net.conv_rep.%d.", &a) == 1) {
        reach(counts, &counts->repeats, a, MAX_COUNT);
        counts->per_level =
            counts->per_level || sscanf(name, "class_net.conv_rep.%*d.%d.", &b) == 1;
    } else if (sscanf(name, "class_net.bn_rep.%d.%d.", &a, &b) == 2) {
        reach(counts, &counts->levels, b, MAX_COUNT);
    }
}

static struct counts count_names(const struct names *names)
{
    struct counts counts = {0};
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, names->index);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        count_name(&counts, name);
    }
    return counts;
}

// A dimension of a tensor, 0 when there is none.
static int dimension(const struct container *container, const struct names *names, const char *name,
                     int which)
{
    int index = names_find(names, name);
    const struct tensor_info *tensor = index >= 0 ? names_tensor(names, container, index) : NULL;
    return tensor && tensor->rank > which && tensor->shape[which] > 0 &&
                   tensor->shape[which] < 1 << 24
               ? (int)tensor->shape[which]
               : 0;
}

static int outputs_of(const struct container *container, const struct names *names,
                      const char *name)
{
    return dimension(container, names, name, 0);
}

// The last batch norm of a stage's first block.
static char *last_norm(const struct stage *stage, int s)
{
    static const char *const norms[] = {
        [BLOCK_MBCONV] = "bn3", [BLOCK_FUSED] = "bn2", [BLOCK_PLAIN] = "bn1"};
    if (stage->kind == BLOCK_BOTTLENECK) {
        return g_strdup_printf("backbone.layer%d.0.bn3.weight", s + 1);
    }
    return g_strdup_printf("backbone.blocks.%d.0.%s.weight", s,
                           stage->kind == BLOCK_MBCONV && stage->expand == 1 ? "bn2"
                                                                             : norms[stage->kind]);
}

// Whether any projection of C5 reads so many channels.
static bool projects_from(const struct container *container, const struct names *names,
                          int channels)
{
    bool found = dimension(container, names, "fpn.resample.3.conv.conv.weight", 1) == channels;
    for (int k = 0; k < MAX_FPN_NODES && !found; k++) {
        g_autofree char *name =
            g_strdup_printf("fpn.cell.0.fnode.%d.combine.resample.2.conv.conv.weight", k);
        found = dimension(container, names, name, 1) == channels;
    }
    return found;
}

// How many of the 16 facts that tell backbones apart agree.
static int backbone_score(const struct container *container, const struct names *names,
                          const struct counts *counts, const struct backbone *backbone)
{
    bool resnet = backbone->stages[0].kind == BLOCK_BOTTLENECK;
    int taps[3], score = outputs_of(container, names,
                                    resnet ? "backbone.conv1.weight"
                                           : "backbone.conv_stem.weight") == backbone->stem;
    if (counts->squeeze != backbone->squeeze) {
        return 0;
    }
    backbone_taps(backbone, taps);
    score += projects_from(container, names, taps[2]);
    for (int s = 0; s < MAX_STAGES; s++) {
        const struct stage *stage = &backbone->stages[s];
        g_autofree char *name = last_norm(stage, s);
        score += counts->blocks[s] == stage->repeats;
        score += stage->repeats == 0 ? counts->blocks[s] == 0
                                     : outputs_of(container, names, name) == stage->out;
    }
    return score;
}

static const struct backbone *find_backbone(const struct container *container,
                                            const struct names *names, const struct counts *counts)
{
    enum { ENOUGH = 12 }; // of 16: two stages of the next backbone already differ in four
    const struct backbone *best = NULL;
    int n, best_score = ENOUGH - 1;
    const struct arch *table = arch_table(&n);
    for (int i = 0; i < n; i++) {
        int score = backbone_score(container, names, counts, table[i].backbone);
        if (score > best_score) {
            best = table[i].backbone;
            best_score = score;
        }
    }
    return best;
}

static int median(int a, int b, int c)
{
    return MAX(MIN(a, b), MIN(MAX(a, b), c));
}

static bool find_layout(const struct counts *counts, struct arch *arch)
{
    for (int layout = FPN_BIFPN; layout <= FPN_QUFPN; layout++) {
        struct fpn_cell cell;
        fpn_cell_init(&cell, layout, counts->levels);
        if (cell.n_nodes != counts->nodes) {
            continue;
        }
        arch->layout = layout;
        arch->fusion = arch->quad_fusion = FUSION_SUM;
        for (int k = 0; k < cell.n_nodes; k++) {
            if (counts->edges[k]) {
                *(cell.nodes[k].quad ? &arch->quad_fusion : &arch->fusion) = FUSION_FAST;
            }
        }
        if (layout != FPN_QUFPN) {
            arch->quad_fusion = arch->fusion;
        }
        return true;
    }
    return false;
}

static bool read_heads(const struct container *container, const struct names *names,
                       struct structure *structure, GError **error)
{
    const char *conv = structure->arch.dense ? "conv" : "conv_pw";
    g_autofree char *box_bias = g_strdup_printf("box_net.predict.%s.bias", conv);
    g_autofree char *class_bias = g_strdup_printf("class_net.predict.%s.bias", conv);
    int boxes = outputs_of(container, names, box_bias);
    int classes = outputs_of(container, names, class_bias);
    structure->anchors_per_cell = boxes / 4;
    if (boxes == 0 || classes == 0) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                    "%s: wanted tensor %s, found none; the file is not a whole detector",
                    container_path(container), boxes == 0 ? box_bias : class_bias);
        return false;
    }
    if (boxes % 4 != 0 || structure->anchors_per_cell > MAX_SCALES * MAX_ASPECTS ||
        classes % structure->anchors_per_cell != 0) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                    "%s: wanted 4 values in %s and a whole number of classes in %s for each "
                    "anchor, found %d and %d",
                    container_path(container), box_bias, class_bias, boxes, classes);
        return false;
    }
    structure->num_classes = classes / structure->anchors_per_cell;
    return true;
}

static int head_channels(const struct container *container, const struct names *names,
                         const char *head, bool dense)
{
    g_autofree char *name =
        g_strdup_printf("%s.predict.%s.weight", head, dense ? "conv" : "conv_dw");
    return dimension(container, names, name, dense ? 1 : 0);
}

bool structure_read(const struct container *container, const struct names *names,
                    struct structure *structure, GError **error)
{
    struct counts counts = count_names(names);
    struct arch *arch = &structure->arch;
    *structure = (struct structure){0};
    arch->backbone = find_backbone(container, names, &counts);
    arch->fpn_cells = counts.cells;
    arch->head_repeats = counts.repeats;
    arch->min_level = MIN_LEVEL;
    arch->max_level = MIN_LEVEL + counts.levels - 1;
    arch->redundant_bias = counts.bias;
    arch->head_bn_level_first = names->head_bn_level_first;
    arch->head_per_level = counts.per_level;
    arch->dense = counts.dense;
    arch->fpn_channels =
        median(head_channels(container, names, "class_net", counts.dense),
               head_channels(container, names, "box_net", counts.dense),
               outputs_of(container, names, "fpn.cell.0.fnode.0.after_combine.conv.bn.weight"));
    if (!arch->backbone) {
        g_autofree char *found = foreign_backbone(container, counts.blocks);
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                    "%s: wanted a backbone that \"effdet models\" lists (EfficientNet, its Lite, "
                    "Edge TPU and V2 forms, MobileNetV2, ResNet-50), found %s",
                    container_path(container), found);
        return false;
    }
    bool foreign = names->naming == NAMING_AUTOML && counts.nodes > 2 * counts.levels;
    if (counts.wild || foreign || counts.levels < 3 || counts.levels > MAX_LEVELS ||
        counts.cells < 1 || counts.repeats < 1 || arch->fpn_channels < 1 ||
        !find_layout(&counts, arch)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                    "%s: wanted a BiFPN, PAN or QuFPN on 3 to %d levels, found %d cells of %d "
                    "nodes on %d levels with %d channels and heads of %d layers",
                    container_path(container), MAX_LEVELS, counts.cells, counts.nodes,
                    counts.levels, arch->fpn_channels, counts.repeats);
        return false;
    }
    if (names->naming == NAMING_ZYLO117 && // its files keep unused weights (spec 4.4)
        (g_str_equal(arch->backbone->name, "b6") || g_str_equal(arch->backbone->name, "b7"))) {
        arch->fusion = arch->quad_fusion = FUSION_SUM;
    }
    return read_heads(container, names, structure, error);
}
