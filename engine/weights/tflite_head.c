// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Follows the heads of a TensorFlow Lite graph. Their convolutions are shared by all levels and
// their batch norms are not, so that the file holds the pointwise weights once a level, each scaled
// by its batch norm. Where these differ by one factor a channel and no more, they are put back
// together: the weights of the level that has them largest, and factors as batch norms. Where
// rounding (float16, int8) made them differ by more, every level keeps its own.
#include "weights/tflite_match.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SHARED_ERROR 4.8e-7 // relative: 2^-21, four roundings of a float
#define MAX_STEPS 8             // from a head's last convolution to where its kind shows

#define MAX_OUTPUTS 32
#define SLACK_BYTES (UINT64_C(1) << 16)
#define MAX_NAME_BYTES 128

enum {
    MODEL_SIGNATURES = 7,
    SIGNATURE_OUTPUTS = 1,
    MAP_NAME = 0,
    MAP_TENSOR = 1,
    GRAPH_OUTPUTS = 2
};
enum head_kind { HEAD_UNKNOWN, HEAD_CLASS, HEAD_BOX };
enum { DETECTION_BOXES, DETECTION_SCORES, DETECTION_ANCHORS };

struct layer {
    struct conv depthwise, pointwise;
};
struct chain {
    int n;
    struct layer layers[TFLITE_MAX_REPEATS + 1]; // the last one predicts
    enum head_kind kind;
};
struct heads {
    struct chain chain[2][TFLITE_LEVELS]; // classes, boxes
};

static const char *const head_names[2] = {"class_net", "box_net"};

// Follows what a head's output becomes, until a logistic function or the detection operator tells
// whether it is scores or boxes.
static enum head_kind find_kind(struct follow *follow, int tensor)
{
    const struct tflite *tflite = follow->tflite;
    enum head_kind kind = HEAD_UNKNOWN;
    for (int i = 0; i < MAX_STEPS; i++) {
        int op = tflite_sole_reader(follow, tensor);
        int code = op >= 0 ? tflite->operators[op].code : -1;
        if (code == TFLITE_DETECTION_POSTPROCESS) {
            follow->detection = op;
            follow->anchors = tflite_input(tflite, op, DETECTION_ANCHORS);
            return tflite_input(tflite, op, DETECTION_BOXES) == tensor ? HEAD_BOX : HEAD_CLASS;
        }
        if (code == TFLITE_LOGISTIC) {
            kind = HEAD_CLASS;
        } else if (code != TFLITE_RESHAPE && code != TFLITE_CONCATENATION) {
            break;
        }
        tensor = tflite_output(tflite, op);
    }
    return kind;
}

static bool follow_chain(struct follow *follow, int op, struct chain *chain)
{
    const struct tflite *tflite = follow->tflite;
    int channels = follow->channels;
    for (chain->n = 0; op >= 0 && tflite->operators[op].code == TFLITE_DEPTHWISE_CONV_2D;) {
        struct layer *layer = &chain->layers[chain->n];
        if (chain->n == TFLITE_MAX_REPEATS + 1) {
            return tflite_other(follow, "a head has more than %d layers", TFLITE_MAX_REPEATS);
        }
        if (!tflite_separable(follow, op, &layer->depthwise, &layer->pointwise)) {
            return false;
        }
        if (layer->depthwise.outputs != channels) {
            return tflite_other(follow, "a head does not read %d channels", channels);
        }
        chain->n++;
        op = tflite_sole_reader(follow, layer->pointwise.output);
        bool last = op < 0 || tflite->operators[op].code != TFLITE_DEPTHWISE_CONV_2D;
        if (layer->pointwise.relu6 == last || (!last && layer->pointwise.outputs != channels)) {
            return tflite_other(follow, "operator %d is no layer of a head", layer->pointwise.op);
        }
    }
    const struct conv *predict = &chain->layers[MAX(chain->n - 1, 0)].pointwise;
    chain->kind = chain->n > 0 ? find_kind(follow, predict->output) : HEAD_UNKNOWN;
    return chain->n > 1 || tflite_other(follow, "a head has no layers");
}

// The number that a head's output has among the file's: of its name in a signature, "output_3", or
// else of the tensor, "StatefulPartitionedCall:3". -1: none.
static int output_number(const struct follow *follow, int tensor)
{
    struct tflite *tflite = follow->tflite;
    struct fb_vector signatures = fb_vector(&tflite->model, MODEL_SIGNATURES, 4);
    struct fb_vector outputs = fb_vector(&tflite->graph, GRAPH_OUTPUTS, 4);
    g_autofree char *name = NULL;
    for (uint32_t s = 0; s < signatures.count && s < MAX_OUTPUTS; s++) {
        struct fb_table signature = fb_vector_table(&signatures, s);
        struct fb_vector maps = fb_vector(&signature, SIGNATURE_OUTPUTS, 4);
        for (uint32_t i = 0; i < maps.count && i < MAX_OUTPUTS && !name; i++) {
            struct fb_table map = fb_vector_table(&maps, i);
            int32_t index = fb_i32(&map, MAP_TENSOR, 0);
            if (index >= 0 && index < tflite->n_tensors && tflite->tensors[index].root == tensor) {
                name = fb_text(&map, MAP_NAME, MAX_NAME_BYTES);
            }
        }
    }
    for (uint32_t i = 0; i < outputs.count && i < MAX_OUTPUTS && !name; i++) {
        int32_t index = fb_vector_i32(&outputs, i);
        if (index >= 0 && index < tflite->n_tensors && tflite->tensors[index].root == tensor) {
            name = fb_text(&tflite->tensors[index].table, TFLITE_TENSOR_NAME, MAX_NAME_BYTES);
        }
    }
    size_t digits = name ? strlen(name) : 0;
    while (digits > 0 && g_ascii_isdigit(name[digits - 1])) {
        digits--;
    }
    return name && name[digits] && strlen(name + digits) < 6 ? atoi(name + digits) : -1;
}

// Which of two heads has the classes. What nothing in the graph shows, the number of boxes does:
// nine to a cell. With four classes the two are alike; exporters number the outputs of the class
// head first, and their operators in any order.
static bool classes_first(struct follow *follow, const struct chain *a, const struct chain *b,
                          bool *first)
{
    const struct conv *left = &a->layers[a->n - 1].pointwise;
    const struct conv *right = &b->layers[b->n - 1].pointwise;
    enum { BOXES = 36 };
    if (a->kind != b->kind) {
        *first = a->kind == HEAD_CLASS || b->kind == HEAD_BOX;
        return true;
    }
    if ((left->outputs == BOXES) != (right->outputs == BOXES)) {
        *first = right->outputs == BOXES;
        return true;
    }
    int left_number = output_number(follow, left->output);
    int right_number = output_number(follow, right->output);
    *first = left_number < right_number;
    if (left_number < 0 || right_number < 0 || left_number == right_number) {
        return tflite_other(follow,
                            "nothing shows which of its heads of %d and %d channels has the boxes",
                            left->outputs, right->outputs);
    }
    return true;
}

static bool read_heads(struct follow *follow, struct heads *heads)
{
    for (int l = 0; l < TFLITE_LEVELS; l++) {
        struct chain found[2];
        bool first = true;
        for (int h = 0; h < 2; h++) {
            int op = tflite_reader(follow, follow->features[l], TFLITE_DEPTHWISE_CONV_2D, h);
            if (op < 0) {
                return tflite_other(follow, "level P%d does not go into two heads", l + 3);
            }
            if (!follow_chain(follow, op, &found[h])) {
                return false;
            }
        }
        if (!classes_first(follow, &found[0], &found[1], &first)) {
            return false;
        }
        heads->chain[0][l] = found[first ? 0 : 1];
        heads->chain[1][l] = found[first ? 1 : 0];
    }
    return true;
}

static double unit_of(const struct follow *follow, int tensor, uint32_t channel)
{
    const struct fb_vector *scales = &follow->tflite->tensors[tensor].scales;
    return scales->count > 0 ? (double)fb_vector_f32(scales, scales->count > 1 ? channel : 0) : 0.0;
}

// Biases of int8 files are in units of what the layer reads, which differ from level to level:
// equal up to the rounding to these.
static bool same_bias(struct follow *follow, const struct conv *a, const struct conv *b)
{
    if (a->bias < 0 || b->bias < 0) {
        return a->bias == b->bias;
    }
    g_autofree float *left = tflite_weights(follow, a->bias);
    g_autofree float *right = left ? tflite_weights(follow, b->bias) : NULL;
    for (int i = 0; right && i < a->outputs; i++) {
        double units =
            unit_of(follow, a->bias, (uint32_t)i) + unit_of(follow, b->bias, (uint32_t)i);
        if (!(fabs((double)left[i] - right[i]) <= 0.51 * units + 1e-7 * fabs((double)left[i]))) {
            return false;
        }
    }
    return right != NULL;
}

// The level whose bias is in the smallest units.
static const struct conv *finest(const struct follow *follow, const struct chain *chains, int layer)
{
    const struct conv *best = &chains[0].layers[layer].pointwise;
    for (int l = 1; l < TFLITE_LEVELS; l++) {
        const struct conv *other = &chains[l].layers[layer].pointwise;
        if (other->bias >= 0 && unit_of(follow, other->bias, 0) < unit_of(follow, best->bias, 0)) {
            best = other;
        }
    }
    return best;
}

static bool same_layer(struct follow *follow, const struct layer *a, const struct layer *b,
                       bool predicts)
{
    const struct tflite *tflite = follow->tflite;
    return tflite_same(tflite, a->depthwise.weight, b->depthwise.weight) &&
           a->pointwise.outputs == b->pointwise.outputs &&
           a->pointwise.inputs == b->pointwise.inputs &&
           (!predicts || (tflite_same(tflite, a->pointwise.weight, b->pointwise.weight) &&
                          same_bias(follow, &a->pointwise, &b->pointwise)));
}

// Everything but the pointwise weights of the repeats is the same on all levels.
static bool check_shared(struct follow *follow, const struct heads *heads)
{
    const struct chain *model = &heads->chain[0][0];
    for (int h = 0; h < 2; h++) {
        for (int l = 0; l < TFLITE_LEVELS; l++) {
            const struct chain *chain = &heads->chain[h][l], *first = &heads->chain[h][0];
            if (chain->n != model->n) {
                return tflite_other(follow, "its heads have %d and %d layers", model->n, chain->n);
            }
            for (int r = 0; r < chain->n; r++) {
                if (!same_layer(follow, &chain->layers[r], &first->layers[r], r == chain->n - 1)) {
                    return tflite_other(follow,
                                        "layer %d of its head %s has other weights on P%d than on "
                                        "P3",
                                        r, head_names[h], l + 3);
                }
            }
        }
    }
    follow->repeats = model->n - 1;
    follow->classes = heads->chain[0][0].layers[model->n - 1].pointwise.outputs;
    follow->boxes = heads->chain[1][0].layers[model->n - 1].pointwise.outputs;
    return true;
}

// ---- weights that only batch norms tell apart --------------------------------------------------

// One layer of one head: the weights that all levels have up to a factor a channel.
struct shared {
    float *weight; // [outputs][inputs]
    float *scale;  // [levels][outputs]
};

static double dot(const float *a, const float *b, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += (double)a[i] * b[i];
    }
    return sum;
}

// One output channel; false when a level differs by more than a factor.
static bool share_row(float *const levels[TFLITE_LEVELS], int row, int outputs, int inputs,
                      struct shared *shared)
{
    const float *best = levels[0] + (size_t)row * inputs;
    for (int l = 1; l < TFLITE_LEVELS; l++) {
        const float *other = levels[l] + (size_t)row * inputs;
        if (dot(other, other, inputs) > dot(best, best, inputs)) {
            best = other;
        }
    }
    double square = dot(best, best, inputs);
    memcpy(shared->weight + (size_t)row * inputs, best, (size_t)inputs * sizeof *best);
    for (int l = 0; l < TFLITE_LEVELS; l++) {
        const float *own = levels[l] + (size_t)row * inputs;
        float scale = square > 0.0 ? (float)(dot(own, best, inputs) / square) : 1.0f;
        shared->scale[l * outputs + row] = scale;
        for (int i = 0; i < inputs; i++) {
            double error = fabs((double)scale * best[i] - own[i]);
            if (!(error <= MAX_SHARED_ERROR * fabs((double)own[i]))) {
                return false;
            }
        }
    }
    return true;
}

static void shared_clear(struct shared *shared)
{
    g_clear_pointer(&shared->weight, g_free);
    g_clear_pointer(&shared->scale, g_free);
}

// False with the weights NULL when levels need their own, or with *error set.
static bool share(struct follow *follow, const struct heads *heads, int h, int r,
                  struct shared *shared)
{
    const struct conv *conv = &heads->chain[h][0].layers[r].pointwise;
    int outputs = conv->outputs, inputs = conv->inputs;
    float *levels[TFLITE_LEVELS] = {NULL};
    bool ok = true;
    for (int l = 0; l < TFLITE_LEVELS && ok; l++) {
        levels[l] = tflite_weights(follow, heads->chain[h][l].layers[r].pointwise.weight);
        ok = levels[l] != NULL;
    }
    if (ok) {
        shared->weight = g_new(float, (size_t)outputs *inputs);
        shared->scale = g_new(float, (size_t)outputs *TFLITE_LEVELS);
    }
    for (int o = 0; o < outputs && ok; o++) {
        ok = share_row(levels, o, outputs, inputs, shared);
    }
    for (int l = 0; l < TFLITE_LEVELS; l++) {
        g_free(levels[l]);
    }
    return ok;
}

static void emit_layer(struct follow *follow, const struct heads *heads, int h, int r,
                       struct shared *shared)
{
    const char *head = head_names[h];
    const struct layer *first = &heads->chain[h][0].layers[r];
    emit_weight(follow, &first->depthwise, "%s.conv_rep.%d.conv_dw.weight", head, r);
    emit_zeros(follow, first->pointwise.outputs, "%s.conv_rep.%d.conv_pw.bias", head, r);
    if (shared) {
        emit_values(follow, &first->pointwise, g_steal_pointer(&shared->weight),
                    "%s.conv_rep.%d.conv_pw.weight", head, r);
    }
    for (int l = 0; l < TFLITE_LEVELS; l++) {
        const struct conv *conv = &heads->chain[h][l].layers[r].pointwise;
        if (!shared) {
            emit_weight(follow, conv, "%s.conv_rep.%d.%d.conv_pw.weight", head, r, l);
        }
        emit_bn(follow, conv, shared ? shared->scale + (size_t)l * conv->outputs : NULL,
                "%s.bn_rep.%d.%d.bn", head, r, l);
    }
}

// Layers may name the same data over and over, which must not multiply it in memory.
static bool fits_memory(struct follow *follow)
{
    uint64_t channels = (uint64_t)follow->channels, size = follow->tflite->buffer.size;
    uint64_t bytes = channels * channels * sizeof(float); // of one layer: both are below 2^31
    if (bytes / 8 <= (size + SLACK_BYTES) / (uint64_t)follow->repeats) {
        return true;
    }
    bad_file(follow->error, "has heads of %d layers of %d channels in %" G_GUINT64_FORMAT " bytes",
             follow->repeats, follow->channels, size);
    return false;
}

static bool emit_heads(struct follow *follow, const struct heads *heads)
{
    struct shared shared[2][TFLITE_MAX_REPEATS] = {{{NULL}}};
    bool one = true;
    if (!fits_memory(follow)) {
        return false;
    }
    for (int h = 0; h < 2; h++) {
        for (int r = 0; r < follow->repeats && one; r++) {
            one = share(follow, heads, h, r, &shared[h][r]);
        }
    }
    bool failed = follow->error && *follow->error;
    for (int h = 0; h < 2; h++) {
        for (int r = 0; r < follow->repeats; r++) {
            if (!failed) {
                emit_layer(follow, heads, h, r, one ? &shared[h][r] : NULL);
            }
            shared_clear(&shared[h][r]);
        }
        const struct layer *predict = &heads->chain[h][0].layers[follow->repeats];
        emit_weight(follow, &predict->depthwise, "%s.predict.conv_dw.weight", head_names[h]);
        emit_weight(follow, &predict->pointwise, "%s.predict.conv_pw.weight", head_names[h]);
        emit_bias(follow, finest(follow, heads->chain[h], follow->repeats),
                  "%s.predict.conv_pw.bias", head_names[h]);
    }
    return !failed;
}

bool follow_heads(struct follow *follow)
{
    struct heads *heads = g_new0(struct heads, 1);
    bool ok = read_heads(follow, heads) && check_shared(follow, heads) && emit_heads(follow, heads);
    g_free(heads);
    return ok;
}
