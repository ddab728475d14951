// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Follows a TensorFlow Lite graph from its input as an EfficientDet-Lite: first the backbone, then
// the rest, each tensor named by its place. Names and the order of data in the file mean nothing.
#include "weights/tflite_match.h"

#include "net/model.h"

#define MAX_BLOCKS 128

enum { GRAPH_INPUTS = 1 };

struct block {
    struct conv expand, depthwise, project; // expand.op -1: none
    int input, output;
    bool skip;
};

// ---- backbone ----------------------------------------------------------------------------------

// The operator that a block at x begins with: a depthwise convolution, or an expansion, which is
// the pointwise one that a depthwise one follows. -1: no block begins here.
static int block_start(const struct follow *follow, int x, bool *expands)
{
    int op = tflite_reader(follow, x, TFLITE_DEPTHWISE_CONV_2D, 0);
    *expands = op < 0;
    for (int i = 0; op < 0; i++) {
        int wide = tflite_reader(follow, x, TFLITE_CONV_2D, i);
        if (wide < 0) {
            break;
        }
        int output = tflite_output(follow->tflite, wide);
        int next = tflite_sole_reader(follow, output);
        if (next >= 0 && follow->tflite->operators[next].code == TFLITE_RELU6) {
            next = tflite_sole_reader(follow, tflite_output(follow->tflite, next));
        }
        if (next >= 0 && follow->tflite->operators[next].code == TFLITE_DEPTHWISE_CONV_2D) {
            op = wide;
        }
    }
    return op;
}

// The sum of a block's input and output, or -1.
static int skip_of(const struct follow *follow, int projected, int input)
{
    for (int i = 0;; i++) {
        int op = tflite_reader(follow, projected, TFLITE_ADD, i);
        if (op < 0) {
            return -1;
        }
        if (tflite_input(follow->tflite, op, 0) == input ||
            tflite_input(follow->tflite, op, 1) == input) {
            return op;
        }
    }
}

static bool read_block(struct follow *follow, int op, bool expands, struct block *block)
{
    const struct conv *depthwise = &block->depthwise, *project = &block->project;
    int wide = block->input;
    block->expand.op = -1;
    if (expands) {
        const struct conv *expand = &block->expand;
        if (!tflite_conv(follow, op, &block->expand)) {
            return false;
        }
        if (expand->kernel != 1 || expand->stride != 1 || !expand->relu6) {
            return tflite_other(follow, "operator %d is no expansion with ReLU6", op);
        }
        wide = expand->output;
        op = tflite_reader(follow, wide, TFLITE_DEPTHWISE_CONV_2D, 0);
    }
    if (op < 0 || !tflite_conv(follow, op, &block->depthwise)) {
        return tflite_other(follow, "a block of the backbone has no depthwise convolution");
    }
    int next = tflite_sole_reader(follow, depthwise->output);
    if (!depthwise->relu6 || depthwise->input != wide || next < 0 ||
        follow->tflite->operators[next].code != TFLITE_CONV_2D) {
        return tflite_other(follow,
                            "operator %d is no depthwise convolution with ReLU6 and a projection "
                            "after it, as blocks without squeeze-excite have",
                            op);
    }
    if (!tflite_conv(follow, next, &block->project)) {
        return false;
    }
    if (project->kernel != 1 || project->stride != 1 || project->relu6 ||
        project->inputs != depthwise->outputs ||
        (expands && block->expand.outputs != depthwise->outputs)) {
        return tflite_other(follow, "operator %d is no projection", next);
    }
    int sum = skip_of(follow, project->output, block->input);
    block->skip = sum >= 0;
    block->output = block->skip ? tflite_output(follow->tflite, sum) : project->output;
    if (block->skip && (depthwise->stride != 1 || tflite_option8(follow, sum, 0) != 0 ||
                        tflite_reader(follow, project->output, TFLITE_ADD, 1) >= 0)) {
        return tflite_other(follow, "operator %d is no plain skip of a block", sum);
    }
    return true;
}

static void emit_block(struct follow *follow, const struct block *block, int stage, int index)
{
    bool expands = block->expand.op >= 0;
    g_autofree char *prefix = g_strdup_printf("backbone.blocks.%d.%d", stage, index);
    if (expands) {
        emit_weight(follow, &block->expand, "%s.conv_pw.weight", prefix);
        emit_bn(follow, &block->expand, NULL, "%s.bn1", prefix);
    }
    emit_weight(follow, &block->depthwise, "%s.conv_dw.weight", prefix);
    emit_bn(follow, &block->depthwise, NULL, "%s.bn%d", prefix, expands ? 2 : 1);
    emit_weight(follow, &block->project, "%s.%s.weight", prefix, expands ? "conv_pwl" : "conv_pw");
    emit_bn(follow, &block->project, NULL, "%s.bn%d", prefix, expands ? 3 : 2);
}

static bool follow_stem(struct follow *follow, struct conv *stem)
{
    int op = tflite_sole_reader(follow, follow->input);
    int code = op >= 0 ? follow->tflite->operators[op].code : -1;
    if (code != TFLITE_CONV_2D) {
        return tflite_other(follow, "its input goes into %s, not into one 3x3 convolution",
                            op >= 0 ? tflite_code_name(code) : "none or several operators");
    }
    if (!tflite_conv(follow, op, stem)) {
        return false;
    }
    if (stem->kernel != 3 || stem->stride != 2 || stem->inputs != 3 || !stem->relu6) {
        return tflite_other(follow,
                            "its first operator is no 3x3 convolution of stride 2 with ReLU6 on "
                            "three channels");
    }
    emit_weight(follow, stem, "backbone.conv_stem.weight");
    emit_bn(follow, stem, NULL, "backbone.bn1");
    return true;
}

// Stages begin where a block changes the number of channels or the size: what EfficientNets of all
// widths do at each of their seven, and nowhere else.
static bool follow_backbone(struct follow *follow)
{
    static const int strides[MAX_STAGES] = {1, 2, 2, 2, 1, 2, 1};
    struct conv stem;
    if (!follow_stem(follow, &stem)) {
        return false;
    }
    int x = stem.output, channels = stem.outputs, stage = -1, index = 0;
    for (int n = 0; n < MAX_BLOCKS; n++) {
        bool expands;
        int op = block_start(follow, x, &expands);
        struct block block = {.input = x};
        if (op < 0) {
            break;
        }
        if (!read_block(follow, op, expands, &block)) {
            return false;
        }
        const struct conv *first = expands ? &block.expand : &block.depthwise;
        int stride = block.depthwise.stride;
        bool begins = stage < 0 || stride != 1 || block.project.outputs != channels;
        stage += begins;
        index = begins ? 0 : index + 1;
        if (stage >= MAX_STAGES || (begins && stride != strides[stage]) ||
            (expands ? first->inputs : first->outputs) != channels || block.skip == begins ||
            expands != (stage > 0)) {
            return tflite_other(follow, "block %d of its backbone is none of an EfficientNet-Lite",
                                n);
        }
        emit_block(follow, &block, stage, index);
        x = block.output;
        channels = block.project.outputs;
        if (stage % 2 == 0 && stage > 0) {
            follow->taps[stage / 2 - 1] = x;
        }
    }
    return stage == MAX_STAGES - 1 ||
           tflite_other(follow, "its backbone ends after %d of %d stages", stage + 1, MAX_STAGES);
}

// ---- the whole ---------------------------------------------------------------------------------

static bool find_input(struct follow *follow)
{
    struct tflite *tflite = follow->tflite;
    struct fb_vector inputs = fb_vector(&tflite->graph, GRAPH_INPUTS, 4);
    int input = inputs.count == 1 ? fb_vector_i32(&inputs, 0) : -1;
    if (input < 0 || input >= tflite->n_tensors) {
        return tflite_other(follow, "it has %u inputs, not one picture", inputs.count);
    }
    const struct tflite_tensor *tensor = &tflite->tensors[input];
    const int32_t *shape = tensor->shape;
    if (tensor->rank != 4 || shape[0] != 1 || shape[3] != 3 || shape[1] < 16 || shape[2] < 16 ||
        shape[1] > 16384 || shape[2] > 16384) {
        return tflite_other(follow, "its input is no picture [1, height, width, 3] of fixed size");
    }
    follow->input = tensor->root;
    follow->height = shape[1];
    follow->width = shape[2];
    return true;
}

static bool add_pending(struct container *container, struct follow *follow, GError **error)
{
    for (guint i = 0; i < follow->pending->len; i++) {
        struct pending *pending = &g_array_index(follow->pending, struct pending, i);
        pending->tensor.base = follow->tflite->sources->len;
        g_array_append_val(follow->tflite->sources, pending->source);
        pending->source.values = NULL; // belongs to the list of sources
        if (!container_add(container, pending->name, &pending->tensor, error)) {
            return false;
        }
    }
    return true;
}

static void pending_finish(void *data)
{
    struct pending *pending = data;
    g_free(pending->name);
    g_free(pending->source.values);
}

bool tflite_follow(struct container *container, struct tflite *tflite, GError **error)
{
    GError *cause = NULL;
    struct follow follow = {.tflite = tflite, .error = &cause, .anchors = -1, .detection = -1};
    follow.pending = g_array_new(FALSE, FALSE, sizeof(struct pending));
    g_array_set_clear_func(follow.pending, pending_finish);
    bool ok = find_input(&follow) && follow_backbone(&follow) && follow_pyramid(&follow) &&
              follow_heads(&follow);
    if (ok && tflite->buffer.damaged) {
        bad_file(&cause, "is cut off or damaged: it points outside of itself");
        ok = false;
    }
    ok = ok && describe_file(container, &follow) && add_pending(container, &follow, &cause);
    if (!ok) {
        g_clear_pointer(&container->metadata, g_hash_table_unref);
        g_propagate_error(error, cause);
    }
    g_array_unref(follow.pending);
    return ok;
}
