// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Opening, reading and refusing whole weights files.
#include "weights_fixture.h"

#include "effdet/effdet.h"

#include <string.h>

void fixture_set_up(struct fixture *fixture, gconstpointer data)
{
    fixture->folder = weights_folder();
    fixture->path = g_build_filename(fixture->folder, "weights.safetensors", NULL);
    struct arch arch = *arch_find(data);
    arch.fpn_cells = 2;
    model_init(&fixture->model, &arch, 2);
}

void fixture_tear_down(struct fixture *fixture, gconstpointer data)
{
    model_finish(&fixture->model);
    g_free(fixture->path);
    weights_folder_remove(fixture->folder);
}

struct checkpoint *open_file(const char *path, const struct checkpoint_options *options)
{
    g_autoptr(GError) error = NULL;
    struct checkpoint *checkpoint = checkpoint_open(path, options, &error);
    g_assert_no_error(error);
    g_assert_nonnull(checkpoint);
    return checkpoint;
}

// Reads everything that the network wants, then asks for leftovers.
bool read_whole(const char *path, GError **error)
{
    struct checkpoint *checkpoint = checkpoint_open(path, NULL, error);
    if (!checkpoint) {
        return false;
    }
    struct graph *graph = graph_new(checkpoint_model(checkpoint));
    g_autoptr(GArray) list = wanted_tensors(graph);
    graph_free(&graph);
    bool ok = true;
    for (guint i = 0; ok && i < list->len; i++) {
        const struct wanted *wanted = &g_array_index(list, struct wanted, i);
        gsize n = 1;
        for (int j = 0; j < wanted->rank; j++) {
            n *= wanted->shape[j];
        }
        g_autofree float *values = g_new(float, n);
        ok = checkpoint_read(checkpoint, wanted->name, wanted->shape, wanted->rank, values, error);
    }
    ok = ok && checkpoint_all_used(checkpoint, error);
    checkpoint_close(&checkpoint);
    return ok;
}

void expect_refusal(struct fixture *fixture, struct weights_file *file, const char *what)
{
    g_autoptr(GError) error = NULL;
    weights_file_write(file, fixture->path);
    g_assert_false(read_whole(fixture->path, &error));
    g_assert_nonnull(error);
    g_assert_true(error->domain == EFFDET_ERROR);
    if (!strstr(error->message, what) || !strstr(error->message, fixture->path) ||
        strchr(error->message, '\n')) {
        g_error("wanted one line with the path and \"%s\", found: %s", what, error->message);
    }
    weights_file_free(file);
}
