// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Table and weights of separable convolutions. Weights by part: depthwise [C / 4][9][4], then
// pointwise [C / 4][output blocks, padded][4 outputs][4 inputs]. The table: SEPARABLE_TASKS tasks,
// then by task scale and bias of its output channels.
#include "ops/separable.h"

#include "effdet/effdet.h"
#include "interface.h"
#include "ops/maxima.h"

#include <string.h>

_Static_assert(sizeof(struct separable_task) % 16 == 0, "vectors follow the tasks");

void separable_pack_init(struct separable_pack *pack, const struct op_env *env)
{
    *pack = (struct separable_pack){
        .env = env,
        .tasks = g_array_new(FALSE, TRUE, sizeof(struct separable_task)),
        .affine = g_array_new(FALSE, TRUE, sizeof(float)),
        .weights = g_array_new(FALSE, TRUE, sizeof(float)),
    };
}

void separable_pack_finish(struct separable_pack *pack)
{
    g_array_unref(pack->tasks);
    g_array_unref(pack->affine);
    g_array_unref(pack->weights);
}

int separable_inputs(const struct separable *step)
{
    return step->n_parts ? channel_blocks(step->parts[0].inputs) : 0;
}

double separable_flops(const struct op_env *env, const struct separable *step)
{
    const struct value *output = graph_value(env->graph, step->output);
    double products = step->n_inputs * (double)output->channels;
    for (int p = 0; p < step->n_parts; p++) {
        products += step->parts[p].inputs * (9.0 + step->parts[p].channels);
    }
    return 2 * products * output->pixels;
}

static float *append(GArray *array, size_t count)
{
    guint old = array->len;
    g_array_set_size(array, old + (guint)count);
    return &g_array_index(array, float, old);
}

void separable_pack_weights(struct separable_pack *pack, const struct separable *step, int range,
                            struct separable_weights *weights)
{
    for (int p = 0; p < step->n_parts; p++) {
        const struct separable_part *part = &step->parts[p];
        int blocks = channel_blocks(part->inputs);
        int padded = ceil_div(channel_blocks(part->channels), range) * range;
        weights->padded[p] = padded;
        weights->depthwise[p] = pack->weights->len / 4;
        float *to = append(pack->weights, (size_t)blocks * 36);
        for (int c = 0; c < part->inputs; c++) {
            for (int t = 0; t < 9; t++) {
                to[(c / 4 * 9 + t) * 4 + c % 4] = part->depthwise[c * 9 + t];
            }
        }
        weights->pointwise[p] = pack->weights->len / 4;
        // a window may begin anywhere: its last tile may reach past the last row
        to = append(pack->weights, ((size_t)blocks * (size_t)padded + (size_t)range) * 16);
        for (int o = 0; o < part->channels; o++) {
            const float *row =
                step->folded->weight + (size_t)(part->first_output + o) * (size_t)part->inputs;
            for (int i = 0; i < part->inputs; i++) {
                size_t at = (size_t)(i / 4) * (size_t)padded + (size_t)(o / 4);
                to[at * 16 + (size_t)(o % 4 * 4 + i % 4)] = row[i];
            }
        }
    }
}

// Scale and bias of a part's blocks first..first + count - 1 on a level.
static uint32_t pack_affine(struct separable_pack *pack, const struct separable *step,
                            const struct separable_part *part, int level, int first, int count,
                            int padded)
{
    const struct folded *folded = step->folded;
    int set = folded->n_levels > 1 ? level : 0;
    guint start = pack->affine->len;
    float *to = append(pack->affine, (size_t)padded * 8);
    for (int o = first * 4; o < MIN((first + count) * 4, part->channels); o++) {
        size_t from =
            (size_t)set * (size_t)folded->outputs + (size_t)part->first_output + (size_t)o;
        to[o - first * 4] = folded->scale ? folded->scale[from] : 1.0f;
        to[padded * 4 + o - first * 4] = folded->bias[from];
    }
    for (int o = part->first_output == 0 ? pack->logits : 0; o % 4 != 0; o++) {
        to[padded * 4 + o] = MAXIMA_NO_LOGIT;
    }
    return start / 4;
}

static void fill_inputs(const struct op_env *env, const struct separable *step,
                        const struct slice *x, int level, int first_block,
                        struct separable_task *task)
{
    for (int i = 0; i < MAX_INPUTS; i++) {
        task->resample[i] = RESAMPLING_ABSENT;
        if (i < step->n_inputs) {
            const struct value *input = graph_value(env->graph, step->inputs[i]);
            bool levels = input->n_levels > 1; // of a view, the slice has the offset already
            task->resample[i] = (uint32_t)step->resample[i];
            task->factor[i] = step->factors[i];
            task->x_pitch[i] = x[i].pitch;
            task->x_first[i] = x[i].first + (uint32_t)first_block * x[i].pitch +
                               (levels ? (uint32_t)input->level[level].offset : 0);
            task->x_size[i] = packed_size(input->level[levels ? level : 0]);
        }
    }
}

void separable_pack_tasks(struct separable_pack *pack, const struct separable *step,
                          const struct separable_weights *weights, const struct slice *x,
                          struct slice y, int first, int count)
{
    const struct value *output = graph_value(pack->env->graph, step->output);
    const struct separable_part all = {.channels = output->channels};
    for (int p = 0; p < MAX(1, step->n_parts); p++) {
        const struct separable_part *part = step->n_parts ? &step->parts[p] : &all;
        int begin = MAX(first, part->first_output / 4);
        int end = MIN(first + count, part->first_output / 4 + channel_blocks(part->channels));
        int skip = begin - part->first_output / 4; // blocks of the part in earlier windows
        for (int l = 0; l < output->n_levels && begin < end; l++) {
            const struct extent *extent = &output->level[l];
            struct separable_task task = {
                .size = packed_size(*extent),
                .outputs = (uint32_t)(end - begin),
                .y_pitch = y.pitch,
                .y_first = y.first + (uint32_t)(begin - first) * y.pitch +
                           (output->n_levels > 1 ? (uint32_t)extent->offset : 0),
                .plain = step->n_parts == 0,
            };
            if (step->n_parts) {
                task.padded = (uint32_t)weights->padded[p];
                task.depthwise_first = weights->depthwise[p];
                task.pointwise_first = weights->pointwise[p] + (uint32_t)skip * 4;
                task.affine_first =
                    pack_affine(pack, step, part, l, skip, end - begin, weights->padded[p]);
            }
            fill_inputs(pack->env, step, x, l, part->first_input / 4, &task);
            g_array_append_val(pack->tasks, task);
        }
    }
}

void separable_pack_end(const struct separable_pack *pack, struct op_env *env,
                        struct binding *table, struct binding *weights)
{
    size_t tasks = SEPARABLE_TASKS * sizeof(struct separable_task) / sizeof(float);
    size_t count = tasks + MAX(4, pack->affine->len);
    g_autofree float *words = g_new0(float, count);
    g_assert(pack->tasks->len <= SEPARABLE_TASKS);
    memcpy(words, pack->tasks->data, pack->tasks->len * sizeof(struct separable_task));
    if (pack->affine->data) { // a chain of pools packs nothing
        memcpy(words + tasks, pack->affine->data, pack->affine->len * sizeof(float));
    }
    *table = op_pack(env, words, count, false);
    *weights = pack->weights->len ? op_pack(env, (const float *)(const void *)pack->weights->data,
                                            pack->weights->len, env->half)
                                  : *table;
}

static bool input_fits(const struct op_env *env, const struct separable *step, int i)
{
    const struct value *input = graph_value(env->graph, step->inputs[i]);
    const struct value *output = graph_value(env->graph, step->output);
    bool fits = input->n_levels == output->n_levels;
    for (int l = 0; fits && l < output->n_levels; l++) {
        const struct extent *in = &input->level[l], *out = &output->level[l];
        fits = in->height < 65536 && in->width < 65536 && out->height < 65536 && out->width < 65536;
        if (step->resample[i] == RESAMPLE_NONE) {
            fits = fits && in->height == out->height && in->width == out->width;
        } else if (step->resample[i] == RESAMPLE_MAXPOOL) {
            fits = fits && out->height == conv_output_size(in->height, 2) &&
                   out->width == conv_output_size(in->width, 2);
        }
    }
    for (int p = 0; p < step->n_parts; p++) {
        fits = fits && step->parts[p].first_input % 4 == 0 &&
               step->parts[p].first_input + step->parts[p].inputs <= input->channels;
    }
    return fits && (step->n_parts > 0 || input->channels == output->channels);
}

bool separable_check(const struct op_env *env, const struct separable *step, GError **error)
{
    const struct value *output = graph_value(env->graph, step->output);
    const struct folded *folded = step->folded;
    bool fits = step->n_inputs >= 1 && step->n_inputs <= MAX_INPUTS &&
                step->n_parts <= SEPARABLE_PARTS &&
                MAX(1, step->n_parts) * output->n_levels <= SEPARABLE_TASKS;
    for (int i = 0; fits && i < step->n_inputs; i++) {
        fits = input_fits(env, step, i);
    }
    for (int p = 0; fits && p < step->n_parts; p++) {
        const struct separable_part *part = &step->parts[p];
        fits = part->inputs == folded->inputs && part->inputs == step->parts[0].inputs &&
               part->first_output % 4 == 0 && folded->outputs == output->channels &&
               part->first_output + part->channels <= output->channels &&
               (folded->n_levels == 1 || folded->n_levels == output->n_levels);
    }
    if (!fits) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "node '%s': its inputs and its %d parts do not give %d channels of %dx%d on %d "
                    "levels",
                    step->name, step->n_parts, output->channels, output->level[0].width,
                    output->level[0].height, output->n_levels);
    }
    return fits;
}

static bool read_weights(struct separable_node *read, const struct op_env *env,
                         const struct node *node, GError **error)
{
    struct separable *separable = &read->separable;
    if (!fold_node(env->checkpoint, env->graph, node, &read->folded, error)) {
        return false;
    }
    separable->folded = &read->folded;
    separable->n_parts = node->n_parts;
    for (int p = 0; p < node->n_parts; p++) {
        const struct part *part = &node->parts[p];
        read->depthwise[p] = fold_depthwise(env->checkpoint, part, error);
        separable->parts[p] = (struct separable_part){
            .inputs = part->inputs,
            .first_input = part->first_input,
            .channels = part->channels,
            .first_output = part->first_output,
            .depthwise = read->depthwise[p],
        };
        if (!read->depthwise[p]) {
            return false;
        }
    }
    return true;
}

bool separable_node_init(struct separable_node *read, const struct op_env *env,
                         const struct node *node, GError **error)
{
    *read = (struct separable_node){.separable = {
                                        .name = node->name,
                                        .n_inputs = node->n_inputs,
                                        .pad = node->pad,
                                        .pool_padding = node->pool_padding,
                                        .act_in = node->sums ? node->act_in : ACT_NONE,
                                        .act = node->act,
                                        .output = node->output,
                                    }};
    struct separable *separable = &read->separable;
    bool sums = node->sums || node->op == OP_NODE;
    for (int i = 0; i < node->n_inputs; i++) {
        separable->inputs[i] = node->inputs[i];
        separable->resample[i] = sums ? node->resample[i] : RESAMPLE_NONE;
        separable->factors[i] = 1;
    }
    return (!sums || fold_fusion(env->checkpoint, node, separable->factors, error)) &&
           (node->op == OP_NODE || read_weights(read, env, node, error));
}

void separable_node_finish(struct separable_node *read)
{
    folded_finish(&read->folded);
    for (int p = 0; p < SEPARABLE_PARTS; p++) {
        g_clear_pointer(&read->depthwise[p], g_free);
    }
}
