// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Names of google/automl's checkpoints (spec 9.4, 9.5, 9.7): those of the variables, and the paths
// of attributes by which Keras saves the same network. Also TensorFlow's axis orders, and fusion
// weights that are stored one by one.
#include "weights/naming.h"

#include "effdet/effdet.h"

#include <stdio.h>
#include <string.h>

struct rename {
    const char *from, *to;
};

// Beginnings of names that say nothing about the network.
static const char *const ignored[] = {"head/",       "optimizer/",    "save_counter",
                                      "step",        "global_step",   "beta1_power",
                                      "beta2_power", "learning_rate", "keras_api/"};

// "A" or "A/…" of a row: *rest is what follows.
static const char *match(const struct rename *rows, gsize n, const char *name, const char **rest)
{
    for (gsize i = 0; i < n; i++) {
        gsize length = strlen(rows[i].from);
        if (strncmp(name, rows[i].from, length) == 0 &&
            (name[length] == '/' || name[length] == '\0')) {
            *rest = name + length + (name[length] == '/');
            return rows[i].to;
        }
    }
    return NULL;
}

// The last component: "kernel" of a convolution, "gamma" of a batch norm and so on; NULL: none.
static const char *leaf_of(const char *leaf, enum order *order)
{
    static const struct {
        const char *from, *to;
        enum order order;
    } rows[] = {
        {"kernel", "weight", ORDER_HWIO},
        {"pointwise_kernel", "weight", ORDER_HWIO},
        {"depthwise_kernel", "weight", ORDER_HWCM},
        {"bias", "bias", ORDER_SAME},
        {"gamma", "weight", ORDER_SAME},
        {"beta", "bias", ORDER_SAME},
        {"moving_mean", "running_mean", ORDER_SAME},
        {"moving_variance", "running_var", ORDER_SAME},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (strcmp(leaf, rows[i].from) == 0) {
            *order = rows[i].order;
            return rows[i].to;
        }
    }
    return NULL;
}

static char *join(const char *prefix, const char *part, const char *leaf, enum order *order)
{
    const char *to = part ? leaf_of(leaf, order) : NULL;
    return to ? g_strconcat(prefix, part, ".", to, NULL) : NULL;
}

// A separable convolution: three tensors of one layer.
static char *separable(const char *prefix, const char *leaf, enum order *order)
{
    return join(prefix, strcmp(leaf, "depthwise_kernel") == 0 ? "conv_dw" : "conv_pw", leaf, order);
}

// ---- the backbone ------------------------------------------------------------------------------

// Roles of a block's parts by attribute; by variable they are counted, as canonical ones are.
static const struct rename block_rows[] = {
    {"conv2d", "conv_pw"},
    {"conv2d_1", "conv_pwl"},
    {"depthwise_conv2d", "conv_dw"},
    {"tpu_batch_normalization", "bn1"},
    {"tpu_batch_normalization_1", "bn2"},
    {"tpu_batch_normalization_2", "bn3"},
    {"se/conv2d", "se.conv_reduce"},
    {"se/conv2d_1", "se.conv_expand"},
};
static const struct rename attribute_rows[] = {
    {"_expand_conv", "conv_pw"},          {"_bn0", "bn1"},
    {"_depthwise_conv", "conv_dw"},       {"_bn1", "bn2"},
    {"_project_conv", "conv_pwl"},        {"_bn2", "bn3"},
    {"_se/_se_reduce", "se.conv_reduce"}, {"_se/_se_expand", "se.conv_expand"},
};
static const struct rename plain_rows[] = {
    // blocks without expansion
    {"_depthwise_conv", "conv_dw"},       {"_bn1", "bn1"},
    {"_project_conv", "conv_pw"},         {"_bn2", "bn2"},
    {"_se/_se_reduce", "se.conv_reduce"}, {"_se/_se_expand", "se.conv_expand"},
};

// What stands behind "efficientnet-b0/" or "backbone/"; NULL for other names.
static const char *in_backbone(const char *name, bool *object)
{
    *object = g_str_has_prefix(name, "backbone/");
    if (*object) {
        return name + strlen("backbone/");
    }
    const char *slash = strchr(name, '/');
    return g_str_has_prefix(name, "efficientnet-") && slash ? slash + 1 : NULL;
}

// The last head's batch norms tell how many levels the pyramid has.
static void count_level(const char *name, int *levels)
{
    int repeat, level, consumed = 0;
    if (sscanf(name, "class_net/bns/%4d/%4d/%n", &repeat, &level, &consumed) == 2 && consumed > 0) {
        *levels = CLAMP(level + 1, *levels, MAX_LEVELS);
    }
}

// The number of a block and *rest behind it; -1 for other names.
static int block_of(const char *name, bool *object, const char **rest)
{
    const char *inner = in_backbone(name, object);
    int block, consumed = 0;
    if (!inner ||
        sscanf(inner, *object ? "_blocks/%4d/%n" : "blocks_%4d/%n", &block, &consumed) != 1 ||
        consumed == 0 || block < 0 || block >= MAX_FLAT_BLOCKS) {
        return -1;
    }
    *rest = inner + consumed;
    return block;
}

void automl_init(struct automl *automl, const struct container *container)
{
    *automl = (struct automl){0};
    int levels = 3;
    int64_t out[MAX_FLAT_BLOCKS][2] = {{0}}; // of the two convolutions that may be the projection
    for (int i = 0; i < container_count(container); i++) {
        const struct tensor_info *tensor = container_tensor(container, i);
        bool object;
        const char *rest, *leaf;
        int block = block_of(tensor->name, &object, &rest);
        const char *to = block < 0 ? NULL
                         : object ? match(attribute_rows, G_N_ELEMENTS(attribute_rows), rest, &leaf)
                                  : match(block_rows, G_N_ELEMENTS(block_rows), rest, &leaf);
        count_level(tensor->name, &levels);
        if (!to) {
            continue;
        }
        bool is_last = g_str_equal(to, "conv_pwl") || g_str_equal(to, "bn3");
        bool is_second = g_str_equal(to, "bn2");
        automl->blocks.n = MAX(automl->blocks.n, block + 1);
        if (object ? g_str_equal(to, "conv_pw") || g_str_equal(to, "bn1") : is_last) {
            automl->blocks.block[block].expand = true;
        }
        // any of the projection's tensors tells, in case one is missing
        if (tensor->rank >= 1 &&
            (is_last || is_second || (!object && g_str_equal(to, "conv_pw")))) {
            out[block][is_last] = tensor->shape[tensor->rank - 1];
        }
    }
    for (int n = 0; n < automl->blocks.n; n++) {
        automl->blocks.block[n].out = out[n][out[n][1] > 0];
    }
    flat_blocks_number(&automl->blocks);
    fpn_cell_init(&automl->cell, FPN_BIFPN, levels);
}

static char *backbone_name(const struct automl *automl, const char *name, enum order *order)
{
    static const struct rename stem[] = {{"stem/conv2d", "conv_stem"},
                                         {"stem/tpu_batch_normalization", "bn1"},
                                         {"_stem/_conv_stem", "conv_stem"},
                                         {"_stem/_bn", "bn1"}};
    bool object;
    const char *rest, *leaf = "", *part;
    int block = block_of(name, &object, &rest);
    if (block < 0) {
        part = match(stem, G_N_ELEMENTS(stem), in_backbone(name, &object), &leaf);
        return join("backbone.", part, leaf, order);
    }
    if (!object) {
        part = match(block_rows, G_N_ELEMENTS(block_rows), rest, &leaf);
    } else if (automl->blocks.block[block].expand) {
        part = match(attribute_rows, G_N_ELEMENTS(attribute_rows), rest, &leaf);
    } else {
        part = match(plain_rows, G_N_ELEMENTS(plain_rows), rest, &leaf);
    }
    char prefix[64];
    g_snprintf(prefix, sizeof prefix, "backbone.blocks.%d.%d.", automl->blocks.block[block].stage,
               automl->blocks.block[block].index);
    return join(prefix, part, leaf, order);
}

// ---- the feature pyramid -----------------------------------------------------------------------

static const struct rename resample_rows[] = {{"conv2d", "conv"}, {"bn", "bn"}};

// The feature that input `input` of a node comes from, where the file does not say; those with a
// projection are inputs of the cell itself, first in their node (spec 4.3).
static int source_of(const struct automl *automl, int node, int input)
{
    const struct fpn_cell *cell = &automl->cell;
    return node >= 0 && node < cell->n_nodes && input >= 0 && input < cell->nodes[node].n_inputs
               ? cell->nodes[node].inputs[input]
               : -1;
}

static char *node_name(const struct automl *automl, int cell, int node, const char *rest,
                       enum order *order, int *part)
{
    static const struct rename combine[] = {{"conv", "conv"}, {"conv_op", "conv"}, {"bn", "bn"}};
    char prefix[96];
    const char *leaf = "";
    int input, source, feature, consumed = 0;
    if (g_str_has_prefix(rest, "WSM")) {
        *part = 0;
        if (rest[3] != '\0' &&
            (sscanf(rest, "WSM_%1d%n", part, &consumed) != 1 || rest[consumed])) {
            return NULL;
        }
        return g_strdup_printf("fpn.cell.%d.fnode.%d.combine.edge_weights", cell, node);
    }
    if (sscanf(rest, "resample_layers/%4d/%n", &input, &consumed) == 1 && consumed > 0) {
        source = source_of(automl, node, input);
    } else if (sscanf(rest, "resample_%4d_%4d_%4d/%n", &input, &source, &feature, &consumed) != 3) {
        consumed = 0;
    }
    if (consumed > 0) {
        const char *to = match(resample_rows, G_N_ELEMENTS(resample_rows), rest + consumed, &leaf);
        g_snprintf(prefix, sizeof prefix, "fpn.cell.%d.fnode.%d.combine.resample.%d.conv.", cell,
                   node, source);
        return source < 0 ? NULL : join(prefix, to, leaf, order);
    }
    if (sscanf(rest, "op_after_combine%4d/%n", &feature, &consumed) != 1 || consumed == 0) {
        consumed =
            g_str_has_prefix(rest, "op_after_combine/") ? (int)strlen("op_after_combine/") : 0;
    }
    const char *to =
        consumed > 0 ? match(combine, G_N_ELEMENTS(combine), rest + consumed, &leaf) : NULL;
    g_snprintf(prefix, sizeof prefix, "fpn.cell.%d.fnode.%d.after_combine.conv.", cell, node);
    return to && g_str_equal(to, "conv") ? separable(prefix, leaf, order)
                                         : join(prefix, to, leaf, order);
}

static char *pyramid_name(const struct automl *automl, const char *name, enum order *order,
                          int *part)
{
    static const struct rename first[] = {{"resample_p6", ""}, {"resample_layers/0", ""}};
    int cell, node, consumed = 0;
    const char *rest, *leaf = "";
    if (match(first, G_N_ELEMENTS(first), name, &rest)) {
        const char *to = match(resample_rows, G_N_ELEMENTS(resample_rows), rest, &leaf);
        return join("fpn.resample.3.conv.", to, leaf, order);
    }
    if ((sscanf(name, "fpn_cells/cell_%4d/fnode%4d/%n", &cell, &node, &consumed) == 2 &&
         consumed > 0) ||
        (sscanf(name, "fpn_cells/cells/%4d/fnodes/%4d/%n", &cell, &node, &consumed) == 2 &&
         consumed > 0)) {
        return node_name(automl, cell, node, name + consumed, order, part);
    }
    return NULL;
}

// ---- the heads ---------------------------------------------------------------------------------

static char *head_name(const char *name, enum order *order)
{
    char brief[8] = "", prefix[64];
    int repeat, level, consumed = 0;
    if (sscanf(name, "%5[a-z]_net/%n", brief, &consumed) != 1 || consumed == 0 ||
        !(g_str_equal(brief, "class") || g_str_equal(brief, "box"))) {
        return NULL;
    }
    const char *rest = name + consumed;
    bool by_attribute = true;
    if (g_str_has_prefix(rest, brief) && rest[strlen(brief)] == '-') {
        rest += strlen(brief) + 1;
        by_attribute = false;
    }
    consumed = 0;
    if (sscanf(rest, by_attribute ? "bns/%4d/%4d/%n" : "%4d-bn-%4d/%n", &repeat, &level,
               &consumed) == 2 &&
        consumed > 0) {
        const char *leaf = leaf_of(rest + consumed, order);
        return leaf ? g_strdup_printf("%s_net.bn_rep.%d.%d.bn.%s", brief, repeat,
                                      by_attribute ? level : level - MIN_LEVEL, leaf)
                    : NULL;
    }
    if (sscanf(rest, by_attribute ? "conv_ops/%4d/%n" : "%4d/%n", &repeat, &consumed) == 1 &&
        consumed > 0) {
        g_snprintf(prefix, sizeof prefix, "%s_net.conv_rep.%d.", brief, repeat);
        return separable(prefix, rest + consumed, order);
    }
    g_snprintf(prefix, sizeof prefix, "%s_net.predict.", brief);
    const char *predict = !by_attribute                 ? "predict/"
                          : g_str_equal(brief, "class") ? "classes/"
                                                        : "boxes/";
    return g_str_has_prefix(rest, predict) ? separable(prefix, rest + strlen(predict), order)
                                           : NULL;
}

char *automl_canonical(const struct automl *automl, const char *name, enum order *order, int *part)
{
    bool object;
    const char *inner = in_backbone(name, &object);
    *order = ORDER_SAME;
    *part = -1;
    for (gsize i = 0; i < G_N_ELEMENTS(ignored); i++) {
        if (g_str_has_prefix(inner ? inner : name, ignored[i])) {
            return NULL;
        }
    }
    char *canonical = inner ? backbone_name(automl, name, order) : head_name(name, order);
    if (!canonical && !inner) {
        canonical = pyramid_name(automl, name, order, part);
    }
    return canonical ? canonical : g_strdup(name);
}
