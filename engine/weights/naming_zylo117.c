// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Names of zylo117's checkpoints (spec 9.3, 9.7): flat block ids, BiFPN nodes by level and
// direction, head batch norms by level first.
#include "weights/naming.h"

#include <stdio.h>
#include <string.h>

#define BLOCKS "backbone_net.model._blocks."

// A stage begins where a block's output is not as wide as the block before (spec 11, T1).
void flat_blocks_number(struct flat_blocks *blocks)
{
    for (int n = 1; n < blocks->n; n++) {
        bool next = blocks->block[n].out != blocks->block[n - 1].out;
        blocks->block[n].stage = blocks->block[n - 1].stage + (next ? 1 : 0);
        blocks->block[n].index = next ? 0 : blocks->block[n - 1].index + 1;
    }
}

void zylo117_init(struct zylo117 *zylo, const struct container *container)
{
    *zylo = (struct zylo117){.top_level = 7};
    for (int i = 0; i < container_count(container); i++) {
        const struct tensor_info *tensor = container_tensor(container, i);
        int block;
        if (strstr(tensor->name, ".conv7_up.") || strstr(tensor->name, ".conv8_down.")) {
            zylo->top_level = 8;
        }
        if (sscanf(tensor->name, BLOCKS "%d.", &block) != 1 || block < 0 ||
            block >= MAX_FLAT_BLOCKS) {
            continue;
        }
        zylo->blocks.n = MAX(zylo->blocks.n, block + 1);
        if (strstr(tensor->name, "._expand_conv.")) {
            zylo->blocks.block[block].expand = true;
        }
        // any of the projection's tensors tells, in case one is missing
        if (tensor->rank >= 1 && (strstr(tensor->name, "._project_conv.conv.weight") ||
                                  strstr(tensor->name, "._bn2.weight"))) {
            zylo->blocks.block[block].out = tensor->shape[0];
        }
    }
    flat_blocks_number(&zylo->blocks);
}

// "A.B" of a table row renamed when name starts with the row's old form and a dot.
struct rename {
    const char *from, *to, *to_plain; // to_plain: in blocks without expansion
};

static char *renamed(const struct rename *rows, gsize n, const char *name, const char *prefix,
                     bool plain)
{
    for (gsize i = 0; i < n; i++) {
        gsize length = strlen(rows[i].from);
        if (strncmp(name, rows[i].from, length) == 0 && name[length] == '.') {
            const char *to = plain && rows[i].to_plain ? rows[i].to_plain : rows[i].to;
            return g_strconcat(prefix, to, name + length, NULL);
        }
    }
    return NULL;
}

static char *block_name(const struct zylo117 *zylo, int block, const char *rest)
{
    static const struct rename rows[] = {
        {"_expand_conv.conv", "conv_pw", NULL},        {"_bn0", "bn1", NULL},
        {"_depthwise_conv.conv", "conv_dw", NULL},     {"_bn1", "bn2", "bn1"},
        {"_se_reduce.conv", "se.conv_reduce", NULL},   {"_se_expand.conv", "se.conv_expand", NULL},
        {"_project_conv.conv", "conv_pwl", "conv_pw"}, {"_bn2", "bn3", "bn2"},
    };
    if (block < 0 || block >= zylo->blocks.n) {
        return NULL;
    }
    char prefix[64];
    g_snprintf(prefix, sizeof prefix, "backbone.blocks.%d.%d.", zylo->blocks.block[block].stage,
               zylo->blocks.block[block].index);
    return renamed(rows, G_N_ELEMENTS(rows), rest, prefix, !zylo->blocks.block[block].expand);
}

// Node of a level in the top-down ("up" in zylo117's names) or bottom-up half (spec 4.5).
static int node_of(const struct zylo117 *zylo, int level, bool up)
{
    return up ? zylo->top_level - 1 - level : zylo->top_level - 7 + level;
}

static char *cell_name(const struct zylo117 *zylo, int cell, const char *rest)
{
    static const struct rename parts[] = {
        {"depthwise_conv.conv", "conv_dw", NULL},
        {"pointwise_conv.conv", "conv_pw", NULL},
        {"bn", "bn", NULL},
    };
    static const struct rename projection[] = {{"0.conv", "conv", NULL}, {"1", "bn", NULL}};
    int level, which, consumed = 0;
    char direction[8] = "", prefix[96];
    if (sscanf(rest, "conv%1d_%7[a-z].%n", &level, direction, &consumed) == 2 && consumed > 0) {
        g_snprintf(prefix, sizeof prefix, "fpn.cell.%d.fnode.%d.after_combine.conv.", cell,
                   node_of(zylo, level, g_str_equal(direction, "up")));
        return renamed(parts, G_N_ELEMENTS(parts), rest + consumed, prefix, false);
    }
    if (sscanf(rest, "p%1d_w%1d%n", &level, &which, &consumed) == 2 && rest[consumed] == '\0') {
        return g_strdup_printf("fpn.cell.%d.fnode.%d.combine.edge_weights", cell,
                               node_of(zylo, level, which == 1));
    }
    if (g_str_has_prefix(rest, "p5_to_p6.") && cell == 0) {
        return renamed(projection, G_N_ELEMENTS(projection), rest + strlen("p5_to_p6."),
                       "fpn.resample.3.conv.", false);
    }
    consumed = 0;
    if (sscanf(rest, "p%1d_down_channel%n", &level, &consumed) == 1 && consumed > 0 && cell == 0) {
        bool second = g_str_has_prefix(rest + consumed, "_2.");
        g_snprintf(prefix, sizeof prefix, "fpn.cell.0.fnode.%d.combine.resample.%d.conv.",
                   node_of(zylo, level, !second), level - 3);
        return renamed(projection, G_N_ELEMENTS(projection), rest + consumed + (second ? 3 : 1),
                       prefix, false);
    }
    return NULL;
}

static char *head_name(const char *head, const char *rest)
{
    static const struct rename parts[] = {{"depthwise_conv.conv", "conv_dw", NULL},
                                          {"pointwise_conv.conv", "conv_pw", NULL}};
    int repeat, level, consumed = 0;
    char prefix[64];
    if (sscanf(rest, "conv_list.%d.%n", &repeat, &consumed) == 1 && consumed > 0) {
        g_snprintf(prefix, sizeof prefix, "%s.conv_rep.%d.", head, repeat);
        return renamed(parts, G_N_ELEMENTS(parts), rest + consumed, prefix, false);
    }
    if (sscanf(rest, "bn_list.%d.%d.%n", &level, &repeat, &consumed) == 2 && consumed > 0) {
        return g_strdup_printf("%s.bn_rep.%d.%d.bn.%s", head, repeat, level, rest + consumed);
    }
    if (g_str_has_prefix(rest, "header.")) {
        g_snprintf(prefix, sizeof prefix, "%s.predict.", head);
        return renamed(parts, G_N_ELEMENTS(parts), rest + strlen("header."), prefix, false);
    }
    return NULL;
}

char *zylo117_canonical(const struct zylo117 *zylo, const char *name)
{
    static const char *const leftovers[] = {"_conv_head.", "_bn1.", "_fc."};
    static const struct rename stem[] = {{"_conv_stem.conv", "conv_stem", NULL},
                                         {"_bn0", "bn1", NULL}};
    static const char backbone[] = "backbone_net.model.";
    int number, consumed = 0;
    char *canonical = NULL;
    if (sscanf(name, BLOCKS "%d.%n", &number, &consumed) == 1 && consumed > 0) {
        canonical = block_name(zylo, number, name + consumed);
    } else if (g_str_has_prefix(name, backbone)) {
        const char *rest = name + strlen(backbone);
        for (gsize i = 0; i < G_N_ELEMENTS(leftovers); i++) {
            if (g_str_has_prefix(rest, leftovers[i])) {
                return NULL;
            }
        }
        canonical = renamed(stem, G_N_ELEMENTS(stem), rest, "backbone.", false);
    } else if (sscanf(name, "bifpn.%d.%n", &number, &consumed) == 1 && consumed > 0) {
        canonical = cell_name(zylo, number, name + consumed);
    } else if (g_str_has_prefix(name, "classifier.")) {
        canonical = head_name("class_net", name + strlen("classifier."));
    } else if (g_str_has_prefix(name, "regressor.")) {
        canonical = head_name("box_net", name + strlen("regressor."));
    }
    return canonical ? canonical : g_strdup(name);
}
