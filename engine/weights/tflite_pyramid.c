// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Follows the BiFPN of a TensorFlow Lite graph. A node is found by the one input that it resamples,
// which no other node does; what else is added to that names the projections.
#include "weights/tflite_match.h"

#include "net/fpn_layout.h"
#include "net/model.h"

#define MAX_CELLS 64
#define MAX_TERMS 3
#define N_TAPS 3

enum { ADD_ACTIVATION = 0, ACTIVATION_RELU6 = 3 };
enum { POOL_PADDING, POOL_STRIDE_W, POOL_STRIDE_H, POOL_WIDTH, POOL_HEIGHT, POOL_ACTIVATION };
enum { RESIZE_CORNERS, RESIZE_HALF_PIXELS };

struct cell {
    struct fpn_cell layout;
    int index;
    int features[TFLITE_LEVELS + MAX_FPN_NODES];
};

static int level_of(const struct fpn_cell *layout, int feature)
{
    return feature < layout->n_levels ? feature : layout->nodes[feature - layout->n_levels].level;
}

static bool check_pool(struct follow *follow, int op)
{
    if (tflite_option8(follow, op, POOL_PADDING) != 0 ||
        tflite_option32(follow, op, POOL_STRIDE_W) != 2 ||
        tflite_option32(follow, op, POOL_STRIDE_H) != 2 ||
        tflite_option32(follow, op, POOL_WIDTH) != 3 ||
        tflite_option32(follow, op, POOL_HEIGHT) != 3 ||
        tflite_option8(follow, op, POOL_ACTIVATION) != 0) {
        return tflite_other(follow, "operator %d is no 3x3 max-pool of stride 2 that pads as SAME",
                            op);
    }
    return true;
}

// Nearest neighbour as the network was trained with: source = floor(target * in / out).
static bool check_resize(struct follow *follow, int op, int level)
{
    int32_t size[2];
    int height = level_size(follow->height, MIN_LEVEL + level);
    int width = level_size(follow->width, MIN_LEVEL + level);
    int from_height = level_size(follow->height, MIN_LEVEL + level + 1);
    int from_width = level_size(follow->width, MIN_LEVEL + level + 1);
    int constant = tflite_input(follow->tflite, op, 1);
    if (constant < 0 || !tflite_integers(follow->tflite, constant, 2, size) || size[0] != height ||
        size[1] != width) {
        return tflite_other(follow, "operator %d does not resize to the %dx%d of level %d", op,
                            width, height, MIN_LEVEL + level);
    }
    bool doubles = height == 2 * from_height && width == 2 * from_width;
    if ((tflite_option8(follow, op, RESIZE_HALF_PIXELS) && !doubles) ||
        tflite_option8(follow, op, RESIZE_CORNERS)) {
        return tflite_other(follow,
                            "operator %d resizes with half-pixel centres or aligned corners, "
                            "which differs from the network from %dx%d to %dx%d",
                            op, from_width, from_height, width, height);
    }
    return true;
}

// ---- sums --------------------------------------------------------------------------------------

static int sum_code(const struct follow *follow, int op)
{
    int code = op >= 0 ? follow->tflite->operators[op].code : -1;
    return code == TFLITE_ADD || code == TFLITE_ADD_N ? code : -1;
}

static bool has_activation(const struct follow *follow, int op)
{
    return follow->tflite->operators[op].code == TFLITE_ADD &&
           tflite_option8(follow, op, ADD_ACTIVATION) != 0;
}

// The last of the additions that a term goes into.
static int last_sum(const struct follow *follow, int term)
{
    int sum = -1;
    for (int i = 0; i < MAX_TERMS; i++) {
        int op = tflite_sole_reader(follow, term);
        if (sum_code(follow, op) < 0) {
            break;
        }
        sum = op;
        if (has_activation(follow, op)) {
            break;
        }
        term = tflite_output(follow->tflite, op);
    }
    return sum;
}

static bool is_feature(const struct cell *cell, int k, int tensor)
{
    for (int i = 0; i < cell->layout.n_levels + k; i++) {
        if (cell->features[i] == tensor) {
            return true;
        }
    }
    return false;
}

// Appends the terms of a sum, additions in it taken apart; false when there are more than `most`.
static bool collect_terms(const struct follow *follow, const struct cell *cell, int k, int op,
                          int terms[MAX_TERMS], int most, int *n)
{
    int stack[MAX_TERMS] = {op}, depth = 1;
    *n = 0;
    while (depth > 0) {
        op = stack[--depth];
        for (uint32_t i = 0; i < follow->tflite->operators[op].inputs.count; i++) {
            int term = tflite_input(follow->tflite, op, i);
            int inner = term >= 0 ? follow->tflite->tensors[term].producer : -1;
            if (sum_code(follow, inner) >= 0 && !has_activation(follow, inner) &&
                !is_feature(cell, k, term) && tflite_sole_reader(follow, term) >= 0) {
                if (depth == MAX_TERMS) {
                    return false;
                }
                stack[depth++] = inner;
            } else if (*n == most) {
                return false;
            } else {
                terms[(*n)++] = term;
            }
        }
    }
    return *n == most;
}

// ---- nodes -------------------------------------------------------------------------------------

static void emit_projection(struct follow *follow, const struct conv *conv, const char *prefix)
{
    emit_weight(follow, conv, "%s.conv.conv.weight", prefix);
    emit_zeros(follow, conv->outputs, "%s.conv.conv.bias", prefix);
    emit_bn(follow, conv, NULL, "%s.conv.bn", prefix);
}

static bool read_projection(struct follow *follow, int op, struct conv *conv)
{
    if (!tflite_conv(follow, op, conv)) {
        return false;
    }
    if (conv->kernel != 1 || conv->stride != 1 || conv->relu6 ||
        conv->outputs != follow->channels) {
        return tflite_other(follow, "operator %d is no projection to %d channels", op,
                            follow->channels);
    }
    return true;
}

// Whether a term is input j of node k: the feature, projected if it is one of the backbone's, then
// resampled if it comes from another level. Sets *found; false with an error when it is that input
// and wrong.
static bool match_term(struct follow *follow, const struct cell *cell, int k, int j, int term,
                       bool *found)
{
    const struct fpn_node *node = &cell->layout.nodes[k];
    int id = node->inputs[j], from = level_of(&cell->layout, id);
    int feature = cell->features[id];
    bool projects = cell->index == 0 && id < N_TAPS;
    *found = false;
    if (from != node->level) {
        int code = from > node->level ? TFLITE_RESIZE_NEAREST_NEIGHBOR : TFLITE_MAX_POOL_2D;
        int op = tflite_producer(follow, term, code);
        if (op < 0 || tflite_input(follow->tflite, op, 0) != feature) {
            return true;
        }
        *found = true;
        return code == TFLITE_MAX_POOL_2D ? check_pool(follow, op)
                                          : check_resize(follow, op, node->level);
    }
    if (!projects) {
        *found = term == feature;
        return true;
    }
    int op = tflite_producer(follow, term, TFLITE_CONV_2D);
    struct conv conv;
    if (op < 0 || tflite_input(follow->tflite, op, 0) != feature) {
        return true;
    }
    *found = true;
    if (!read_projection(follow, op, &conv)) {
        return false;
    }
    g_autofree char *prefix =
        g_strdup_printf("fpn.cell.%d.fnode.%d.combine.resample.%d", cell->index, k, id);
    emit_projection(follow, &conv, prefix);
    return true;
}

static bool match_terms(struct follow *follow, const struct cell *cell, int k, int sum)
{
    const struct fpn_node *node = &cell->layout.nodes[k];
    int terms[MAX_TERMS], n;
    bool taken[MAX_TERMS] = {false};
    if (!collect_terms(follow, cell, k, sum, terms, node->n_inputs, &n)) {
        return tflite_other(follow,
                            "operator %d adds another number of features than the %d of "
                            "cell %d, node %d of a BiFPN",
                            sum, node->n_inputs, cell->index, k);
    }
    for (int j = 0; j < n; j++) {
        bool found = false;
        for (int t = 0; t < n && !found; t++) {
            if (!taken[t] && !match_term(follow, cell, k, j, terms[t], &found)) {
                return false;
            }
            taken[t] = taken[t] || found;
        }
        if (!found) {
            return tflite_other(follow,
                                "operator %d does not add what cell %d, node %d of a "
                                "BiFPN does",
                                sum, cell->index, k);
        }
    }
    return true;
}

static bool follow_node(struct follow *follow, struct cell *cell, int k)
{
    const struct fpn_node *node = &cell->layout.nodes[k];
    int last = node->inputs[node->n_inputs - 1];
    bool up = level_of(&cell->layout, last) > node->level;
    int op = tflite_reader(follow, cell->features[last],
                           up ? TFLITE_RESIZE_NEAREST_NEIGHBOR : TFLITE_MAX_POOL_2D, 0);
    int sum = op >= 0 ? last_sum(follow, tflite_output(follow->tflite, op)) : -1;
    if (sum < 0) {
        return tflite_other(follow, "cell %d, node %d of a BiFPN is not there", cell->index, k);
    }
    if (!match_terms(follow, cell, k, sum)) {
        return false;
    }
    int active = tflite_output(follow->tflite, sum);
    bool relu6 = has_activation(follow, sum) &&
                 tflite_option8(follow, sum, ADD_ACTIVATION) == ACTIVATION_RELU6;
    int next = tflite_sole_reader(follow, active);
    if (!relu6 && next >= 0 && follow->tflite->operators[next].code == TFLITE_RELU6) {
        relu6 = true;
        next = tflite_sole_reader(follow, tflite_output(follow->tflite, next));
    }
    if (!relu6 || next < 0 || follow->tflite->operators[next].code != TFLITE_DEPTHWISE_CONV_2D) {
        return tflite_other(follow,
                            "ReLU6 and a separable convolution do not follow the sum of cell %d, "
                            "node %d",
                            cell->index, k);
    }
    struct conv depthwise, pointwise;
    if (!tflite_separable(follow, next, &depthwise, &pointwise)) {
        return false;
    }
    if (pointwise.relu6 || pointwise.outputs != follow->channels) {
        return tflite_other(follow, "operator %d is no output of a BiFPN node", pointwise.op);
    }
    g_autofree char *prefix =
        g_strdup_printf("fpn.cell.%d.fnode.%d.after_combine.conv", cell->index, k);
    emit_weight(follow, &depthwise, "%s.conv_dw.weight", prefix);
    emit_weight(follow, &pointwise, "%s.conv_pw.weight", prefix);
    emit_zeros(follow, pointwise.outputs, "%s.conv_pw.bias", prefix);
    emit_bn(follow, &pointwise, NULL, "%s.bn", prefix);
    cell->features[cell->layout.n_levels + k] = pointwise.output;
    return true;
}

// P6 from C5 by a projection and a pool, P7 by a pool alone.
static bool follow_extra_levels(struct follow *follow, int features[TFLITE_LEVELS])
{
    int pool = -1;
    struct conv conv;
    for (int i = 0; pool < 0; i++) {
        int op = tflite_reader(follow, follow->taps[2], TFLITE_CONV_2D, i);
        if (op < 0) {
            return tflite_other(follow, "no level P6 is made of the backbone's output");
        }
        pool = tflite_reader(follow, tflite_output(follow->tflite, op), TFLITE_MAX_POOL_2D, 0);
        if (pool >= 0 && !tflite_conv(follow, op, &conv)) {
            return false;
        }
    }
    if (conv.kernel != 1 || conv.stride != 1 || conv.relu6 || !check_pool(follow, pool)) {
        return tflite_other(follow, "operator %d is no projection of P6", conv.op);
    }
    follow->channels = conv.outputs;
    emit_projection(follow, &conv, "fpn.resample.3");
    for (int i = 0; i < N_TAPS; i++) {
        features[i] = follow->taps[i];
    }
    features[3] = tflite_output(follow->tflite, pool);
    pool = tflite_reader(follow, features[3], TFLITE_MAX_POOL_2D, 0);
    if (pool < 0 || !check_pool(follow, pool)) {
        return tflite_other(follow, "no level P7 is made of P6");
    }
    features[4] = tflite_output(follow->tflite, pool);
    return true;
}

bool follow_pyramid(struct follow *follow)
{
    struct cell cell = {0};
    fpn_cell_init(&cell.layout, FPN_BIFPN, TFLITE_LEVELS);
    if (!follow_extra_levels(follow, cell.features)) {
        return false;
    }
    // another cell follows as long as something resizes the top level
    while (cell.index == 0 || tflite_reader(follow, cell.features[TFLITE_LEVELS - 1],
                                            TFLITE_RESIZE_NEAREST_NEIGHBOR, 0) >= 0) {
        for (int k = 0; k < cell.layout.n_nodes; k++) {
            if (!follow_node(follow, &cell, k)) {
                return false;
            }
        }
        for (int l = 0; l < TFLITE_LEVELS; l++) {
            follow->features[l] = cell.features[fpn_cell_output(&cell.layout, l)];
        }
        for (int l = 0; l < TFLITE_LEVELS; l++) {
            cell.features[l] = follow->features[l];
        }
        if (++cell.index == MAX_CELLS) {
            return tflite_other(follow, "its feature pyramid has no end");
        }
    }
    follow->cells = cell.index;
    return true;
}
