// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Weights files as canonical tensors with a model description, and synthetic weights in the same
// form.
#include "weights/checkpoint.h"

#include "base/error.h"
#include "effdet/effdet.h"
#include "weights/recognise.h"
#include "weights/synthetic.h"
#include "weights/wanted.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct checkpoint {
    struct container *container; // NULL: synthetic
    struct names *names;
    struct model model;
    bool *used;                      // by index in the container
    double backbone_gain, head_gain; // synthetic
};

struct checkpoint *checkpoint_synthetic(const struct arch *arch, int num_classes,
                                        double backbone_gain, double head_gain)
{
    struct checkpoint *checkpoint = g_new0(struct checkpoint, 1);
    model_init(&checkpoint->model, arch, num_classes);
    checkpoint->backbone_gain = backbone_gain;
    checkpoint->head_gain = head_gain;
    return checkpoint;
}

void checkpoint_close(struct checkpoint **checkpoint)
{
    struct checkpoint *old = *checkpoint;
    if (!old) {
        return;
    }
    model_finish(&old->model);
    if (old->container) {
        names_free(&old->names);
        container_close(&old->container);
    }
    g_free(old->used);
    g_clear_pointer(checkpoint, g_free);
}

const struct model *checkpoint_model(const struct checkpoint *checkpoint)
{
    return &checkpoint->model;
}

struct model *checkpoint_model_mutable(struct checkpoint *checkpoint)
{
    return &checkpoint->model;
}

const char *checkpoint_path(const struct checkpoint *checkpoint)
{
    return checkpoint->container ? container_path(checkpoint->container) : NULL;
}

const char *checkpoint_naming(const struct checkpoint *checkpoint)
{
    return checkpoint->container ? naming_name(checkpoint->names->naming) : "synthetic";
}

// Values follow from the name that the architecture's own files use.
static void read_synthetic(const struct checkpoint *checkpoint, const char *name,
                           const int64_t *shape, int rank, float *dst)
{
    char head[16], leaf[16], file_name[64];
    int repeat, level;
    if (checkpoint->model.arch.head_bn_level_first &&
        sscanf(name, "%9[a-z_].bn_rep.%d.%d.bn.%12s", head, &repeat, &level, leaf) == 4) {
        g_snprintf(file_name, sizeof file_name, "%s.bn_rep.%d.%d.%s", head, level, repeat, leaf);
        name = file_name;
    }
    synthetic_weight(name, shape, rank, checkpoint->backbone_gain, checkpoint->head_gain, dst);
}

static char *shape_text(const int64_t *shape, int rank)
{
    GString *text = g_string_new("[");
    for (int i = 0; i < rank; i++) {
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? ", " : "", shape[i]);
    }
    g_string_append_c(text, ']');
    return g_string_free(text, FALSE);
}

// The tensor as the file calls it, followed by the canonical name where that is another.
static char *display_name(const char *file_name, const char *name)
{
    return g_str_equal(file_name, name) ? g_strdup(name)
                                        : g_strdup_printf("%s (%s)", file_name, name);
}

static bool check_shape(const struct checkpoint *checkpoint, const struct tensor_info *tensor,
                        const char *name, const int64_t *shape, int rank, GError **error)
{
    bool same = tensor->rank == rank;
    for (int i = 0; same && i < rank; i++) {
        same = tensor->shape[i] == shape[i];
    }
    if (!same) {
        g_autofree char *shown = display_name(tensor->name, name);
        g_autofree char *wanted = shape_text(shape, rank);
        g_autofree char *found = shape_text(tensor->shape, tensor->rank);
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                    "%s: tensor %s: wanted shape %s, found %s; the file is damaged or of another "
                    "network than %s",
                    checkpoint_path(checkpoint), shown, wanted, found, checkpoint->model.arch.name);
    }
    return same;
}

static bool check_finite(const struct checkpoint *checkpoint, const struct tensor_info *tensor,
                         const float *values, GError **error)
{
    for (int64_t i = 0; i < tensor->elements; i++) {
        if (!isfinite(values[i])) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                        "%s: tensor %s holds %s at element %" G_GINT64_FORMAT
                        ", wanted finite numbers; the training diverged or the file is damaged",
                        checkpoint_path(checkpoint), tensor->name,
                        isnan(values[i]) ? "NaN" : "infinity", i);
            return false;
        }
    }
    return true;
}

// Index in the container of a tensor that has the wanted shape, or -1 with *error.
static int find_tensor(const struct checkpoint *checkpoint, const char *name, const int64_t *shape,
                       int rank, GError **error)
{
    int index = names_find(checkpoint->names, name);
    if (index < 0) {
        g_autofree char *wanted = shape_text(shape, rank);
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                    "%s: wanted tensor %s %s of %s, found none; the file is incomplete or of "
                    "another network",
                    checkpoint_path(checkpoint), name, wanted, checkpoint->model.arch.name);
        return -1;
    }
    const struct tensor_info *tensor =
        names_tensor(checkpoint->names, checkpoint->container, index);
    return check_shape(checkpoint, tensor, name, shape, rank, error) ? index : -1;
}

bool checkpoint_read(struct checkpoint *checkpoint, const char *name, const int64_t *shape,
                     int rank, float *dst, GError **error)
{
    if (!checkpoint->container) {
        read_synthetic(checkpoint, name, shape, rank, dst);
        return true;
    }
    int index = find_tensor(checkpoint, name, shape, rank, error);
    if (index < 0 || !names_read(checkpoint->names, checkpoint->container, index, dst, error) ||
        !check_finite(checkpoint, names_tensor(checkpoint->names, checkpoint->container, index),
                      dst, error)) {
        return false;
    }
    checkpoint->used[index] = true;
    return true;
}

// Every tensor of the network is there in its shape: what is allocated for it later is no larger
// than the file.
static bool verify(const struct checkpoint *checkpoint, GError **error)
{
    struct graph *graph = graph_new(&checkpoint->model);
    g_autoptr(GArray) list = wanted_tensors(graph);
    bool ok = true;
    graph_free(&graph);
    for (guint i = 0; ok && i < list->len; i++) {
        const struct wanted *wanted = &g_array_index(list, struct wanted, i);
        ok = find_tensor(checkpoint, wanted->name, wanted->shape, wanted->rank, error) >= 0;
    }
    return ok;
}

static struct checkpoint *open_checkpoint(const char *path,
                                          const struct checkpoint_options *options, GError **error)
{
    struct container *container = container_open(path, error);
    struct names *names = container ? names_new(container, error) : NULL;
    struct model model;
    if (!names || !recognise_with_names(container, names, options, &model, error)) {
        names_free(&names);
        container_close(&container);
        return NULL;
    }
    struct checkpoint *checkpoint = g_new0(struct checkpoint, 1);
    checkpoint->container = container;
    checkpoint->names = names;
    checkpoint->model = model;
    checkpoint->used = g_new0(bool, names_count(names, container));
    if (!verify(checkpoint, error)) {
        checkpoint_close(&checkpoint);
    }
    return checkpoint;
}

struct checkpoint *checkpoint_open(const char *path, const struct checkpoint_options *options,
                                   GError **error)
{
    GError *cause = NULL;
    struct checkpoint *checkpoint = open_checkpoint(path, options, &cause);
    error_propagate_line(error, cause);
    return checkpoint;
}

bool checkpoint_has(const struct checkpoint *checkpoint, const char *name)
{
    return !checkpoint->container || names_find(checkpoint->names, name) >= 0;
}

// Of a backbone that is tapped inside its last block, the rest of that block has no use.
static bool is_behind_tap(const struct backbone *backbone, const char *canonical)
{
    const int last = backbone->taps[2];
    g_autofree char *block =
        g_strdup_printf("backbone.blocks.%d.%d.", last, backbone->stages[last].repeats - 1);
    const char *rest = g_str_has_prefix(canonical, block) ? canonical + strlen(block) : "";
    return backbone->wide &&
           (g_str_equal(rest, "conv_pwl.weight") || g_str_has_prefix(rest, "bn3."));
}

// zylo117 stores fusion weights also where its network adds without them (spec 4.4).
static bool is_known_extra(const struct checkpoint *checkpoint, const char *canonical)
{
    return is_behind_tap(checkpoint->model.arch.backbone, canonical) ||
           (checkpoint->names->naming == NAMING_ZYLO117 &&
            checkpoint->model.arch.fusion == FUSION_SUM &&
            g_str_has_suffix(canonical, ".combine.edge_weights"));
}

bool checkpoint_all_used(const struct checkpoint *checkpoint, GError **error)
{
    if (!checkpoint->container) {
        return true;
    }
    const struct tensor_info *first = NULL; // by name, so that the message is always the same
    int unused = 0;
    GHashTableIter iter;
    gpointer name, index;
    g_hash_table_iter_init(&iter, checkpoint->names->index);
    while (g_hash_table_iter_next(&iter, &name, &index)) {
        if (checkpoint->used[GPOINTER_TO_INT(index)] || is_known_extra(checkpoint, name)) {
            continue;
        }
        const struct tensor_info *tensor =
            names_tensor(checkpoint->names, checkpoint->container, GPOINTER_TO_INT(index));
        unused++;
        if (!first || strcmp(tensor->name, first->name) < 0) {
            first = tensor;
        }
    }
    if (unused > 0) {
        g_autofree char *shape = shape_text(first->shape, first->rank);
        g_autofree char *more = unused > 1 ? g_strdup_printf(" and %d more", unused - 1) : NULL;
        GError *cause = g_error_new(
            EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
            "%s: wanted only tensors of %s, found %s %s%s, which it has no use for; the "
            "file is of another network",
            checkpoint_path(checkpoint), checkpoint->model.arch.name, first->name, shape,
            more ? more : "");
        error_propagate_line(error, cause);
        return false;
    }
    return true;
}
