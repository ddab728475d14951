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

// Reads and folds one part into its rows of `folded`.
static bool fold_part(struct checkpoint *checkpoint, const struct node *node,
                      const struct part *part, struct folded *folded, GError **error)
{
    int n = part->channels, first = part->first_output;
    const int64_t shape[4] = {n, folded->inputs, folded->kernel, folded->kernel};
    gsize row = (gsize)folded->inputs * folded->kernel * folded->kernel;
    float *weight = folded->weight + first * row;
    g_autofree float *bias = g_new0(float, n);
    g_autofree double *scale = g_new(double, n);
    g_autofree double *shift = g_new(double, n);
    if (!checkpoint_read(checkpoint, part->weight, shape, 4, weight, error) ||
        (part->bias[0] && !checkpoint_read(checkpoint, part->bias, shape, 1, bias, error))) {
        return false;
    }
    for (int s = 0; s < folded->n_levels; s++) {
        for (int o = 0; o < n; o++) {
            scale[o] = 1.0;
            shift[o] = 0.0;
        }
        if (node->n_bn > 0 &&
            !batch_norm(checkpoint, part->bn[s], n, node->bn_eps, scale, shift, error)) {
            return false;
        }
        for (int o = 0; o < n; o++) {
            gsize at = (gsize)s * folded->outputs + first + o;
            folded->bias[at] = (float)(bias[o] * scale[o] + shift[o]);
            if (folded->scale) {
                folded->scale[at] = (float)scale[o];
                continue;
            }
            for (gsize i = 0; i < row; i++) {
                weight[o * row + i] = (float)(weight[o * row + i] * scale[o]);
            }
        }
    }
    return true;
}

bool fold_node(struct checkpoint *checkpoint, const struct graph *graph, const struct node *node,
               struct folded *folded, GError **error)
{
    int outputs = graph_value(graph, node->output)->channels;
    bool depthwise = node->op == OP_DEPTHWISE || node->op == OP_SUM_DEPTHWISE;
    *folded = (struct folded){
        .n_levels = MAX(1, node->n_bn),
        .outputs = outputs,
        .inputs = depthwise ? 1 : node->parts[0].inputs,
        .kernel = depthwise || node->op == OP_STEM || node->op == OP_CONV ? node->kernel : 1,
    };
    folded->weight =
        g_new0(float, (gsize)outputs * folded->inputs * folded->kernel * folded->kernel);
    folded->bias = g_new0(float, (gsize)folded->n_levels *outputs);
    folded->scale = folded->n_levels > 1 ? g_new0(float, (gsize)folded->n_levels *outputs) : NULL;
    for (int p = 0; p < node->n_parts; p++) {
        if (!fold_part(checkpoint, node, &node->parts[p], folded, error)) {
            folded_finish(folded);
            return false;
        }
    }
    return true;
}

float *fold_depthwise(struct checkpoint *checkpoint, const struct part *part, GError **error)
{
    const int64_t shape[4] = {part->inputs, 1, 3, 3};
    g_autofree float *weight = g_new(float, (gsize)part->inputs * 9);
    if (!checkpoint_read(checkpoint, part->depthwise, shape, 4, weight, error)) {
        return NULL;
    }
    return g_steal_pointer(&weight);
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
    int channels = graph_value(graph, node->partial)->channels;
    int squeezed = node->squeeze;
    const int64_t reduce[4] = {squeezed, channels, 1, 1}, expand[4] = {channels, squeezed, 1, 1};
    *weights = (struct squeeze_weights){
        .reduce = g_new(float, (gsize)squeezed *channels),
        .reduce_bias = g_new(float, squeezed),
        .expand = g_new(float, (gsize)squeezed *channels),
        .expand_bias = g_new(float, channels),
    };
    if (checkpoint_read(checkpoint, node->reduce, reduce, 4, weights->reduce, error) &&
        checkpoint_read(checkpoint, node->reduce_bias, reduce, 1, weights->reduce_bias, error) &&
        checkpoint_read(checkpoint, node->expand, expand, 4, weights->expand, error) &&
        checkpoint_read(checkpoint, node->expand_bias, expand, 1, weights->expand_bias, error)) {
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
