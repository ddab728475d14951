// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Folds batch norms into the convolutions before them, in double (spec 9.1), and fusion weights
// into factors (spec 4.4).
#include "weights/fold.h"

#include "effdet/effdet.h"

#include <math.h>

// y = x * scale + shift of a batch norm over n channels.
static bool batch_norm(struct checkpoint *checkpoint, const char *prefix, int n, double eps,
                       double *scale, double *shift, GError **error)
{
    static const char *const parts[4] = {"weight", "bias", "running_mean", "running_var"};
    const int64_t shape[1] = {n};
    g_autofree float *values = g_new(float, (gsize)n * 4);
    for (int i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("%s.%s", prefix, parts[i]);
        if (!checkpoint_read(checkpoint, name, shape, 1, values + (gsize)i * n, error)) {
            return false;
        }
    }
    for (int c = 0; c < n; c++) {
        double gamma = values[c], beta = values[n + c], mean = values[2 * n + c];
        double var = values[3 * n + c] + eps;
        if (!(var > 0.0)) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                        "%s: tensor %s.running_var holds %g at %d, wanted a variance of 0 or more; "
                        "the file is damaged",
                        checkpoint_path(checkpoint) ? checkpoint_path(checkpoint) : "weights",
                        prefix, values[3 * n + c], c);
            return false;
        }
        scale[c] = gamma / sqrt(var);
        shift[c] = beta - mean * scale[c];
    }
    return true;
}

static void node_size(const struct graph *graph, const struct node *node, struct folded *folded)
{
    folded->outputs = graph_value(graph, node->output)->channels;
    folded->kernel = node->op == OP_POINTWISE ? 1 : node->kernel;
    switch (node->op) {
    case OP_STEM:
        folded->inputs = 3;
        break;
    case OP_POINTWISE:
        folded->inputs = graph_value(graph, node->inputs[0])->channels;
        break;
    default:
        folded->inputs = 1;
        break;
    }
}

bool fold_node(struct checkpoint *checkpoint, const struct graph *graph, const struct node *node,
               struct folded *folded, GError **error)
{
    *folded = (struct folded){.n_levels = MAX(1, node->n_bn)};
    node_size(graph, node, folded);
    const int64_t shape[4] = {folded->outputs, folded->inputs, folded->kernel, folded->kernel};
    int outputs = folded->outputs, sets = folded->n_levels;
    gsize row = (gsize)folded->inputs * folded->kernel * folded->kernel;
    folded->weight = g_new(float, (gsize)outputs *row);
    folded->bias = g_new0(float, (gsize)sets *outputs);
    g_autofree float *bias = g_new0(float, outputs);
    g_autofree double *scale = g_new(double, outputs);
    g_autofree double *shift = g_new(double, outputs);
    if (!checkpoint_read(checkpoint, node->weight, shape, 4, folded->weight, error) ||
        (node->bias[0] && !checkpoint_read(checkpoint, node->bias, shape, 1, bias, error))) {
        goto error;
    }
    if (sets > 1) {
        folded->scale = g_new(float, (gsize)sets *outputs);
    }
    for (int s = 0; s < sets; s++) {
        for (int o = 0; o < outputs; o++) {
            scale[o] = 1.0;
            shift[o] = 0.0;
        }
        if (node->n_bn > 0 &&
            !batch_norm(checkpoint, node->bn[s], outputs, node->bn_eps, scale, shift, error)) {
            goto error;
        }
        for (int o = 0; o < outputs; o++) {
            folded->bias[(gsize)s * outputs + o] = (float)(bias[o] * scale[o] + shift[o]);
            if (sets > 1) {
                folded->scale[(gsize)s * outputs + o] = (float)scale[o];
                continue;
            }
            for (gsize i = 0; i < row; i++) {
                folded->weight[o * row + i] = (float)(folded->weight[o * row + i] * scale[o]);
            }
        }
    }
    return true;
error:
    folded_finish(folded);
    return false;
}

void folded_finish(struct folded *folded)
{
    g_clear_pointer(&folded->weight, g_free);
    g_clear_pointer(&folded->bias, g_free);
    g_clear_pointer(&folded->scale, g_free);
}

bool fold_squeeze(struct checkpoint *checkpoint, const struct graph *graph, const struct node *node,
                  struct squeeze_weights *weights, GError **error)
{
    int channels = graph_value(graph, node->output)->channels;
    int squeezed = node->squeeze;
    const int64_t reduce[4] = {squeezed, channels, 1, 1}, expand[4] = {channels, squeezed, 1, 1};
    *weights = (struct squeeze_weights){
        .reduce = g_new(float, (gsize)squeezed *channels),
        .reduce_bias = g_new(float, squeezed),
        .expand = g_new(float, (gsize)squeezed *channels),
        .expand_bias = g_new(float, channels),
    };
    if (checkpoint_read(checkpoint, node->weight, reduce, 4, weights->reduce, error) &&
        checkpoint_read(checkpoint, node->bias, reduce, 1, weights->reduce_bias, error) &&
        checkpoint_read(checkpoint, node->weight2, expand, 4, weights->expand, error) &&
        checkpoint_read(checkpoint, node->bias2, expand, 1, weights->expand_bias, error)) {
        return true;
    }
    squeeze_weights_finish(weights);
    return false;
}

void squeeze_weights_finish(struct squeeze_weights *weights)
{
    g_clear_pointer(&weights->reduce, g_free);
    g_clear_pointer(&weights->reduce_bias, g_free);
    g_clear_pointer(&weights->expand, g_free);
    g_clear_pointer(&weights->expand_bias, g_free);
}

bool fold_fusion(struct checkpoint *checkpoint, const struct node *node, float factors[MAX_INPUTS],
                 GError **error)
{
    float edge[MAX_INPUTS];
    const int64_t shape[1] = {node->n_inputs};
    double sum = node->fusion == FUSION_FAST ? 1e-4 : 0.0;
    double largest = -INFINITY, parts[MAX_INPUTS];
    for (int i = 0; i < node->n_inputs; i++) {
        factors[i] = 1.0f;
    }
    if (node->fusion == FUSION_SUM) {
        return true;
    }
    if (!checkpoint_read(checkpoint, node->edge_weights, shape, 1, edge, error)) {
        return false;
    }
    for (int i = 0; i < node->n_inputs; i++) {
        largest = fmax(largest, edge[i]);
    }
    for (int i = 0; i < node->n_inputs; i++) {
        parts[i] = node->fusion == FUSION_FAST ? fmax(edge[i], 0.0) : exp(edge[i] - largest);
        sum += parts[i];
    }
    for (int i = 0; i < node->n_inputs; i++) {
        factors[i] = (float)(parts[i] / sum);
    }
    return true;
}
