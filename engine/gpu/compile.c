// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Threads that have pipelines compiled by dispatching no workgroups of them. What Vulkan objects
// are made of is in the files of the recorder and of the kernels.
#include "gpu/compile.h"

#include <string.h>

#include "base/log.h"

#define MAX_THREADS 4
#define SLOW_US 20000 // far above what code from a cache takes, below most compilations

struct work {
    struct device *device;
    const struct compile_options *options;
    GPtrArray *dispatches; // const struct dispatch, the first of each kernel
    GMutex lock;           // guards the rest
    guint first, end;      // what nobody has taken
    int elsewhere;
};

// What another thread dispatches on. All of it is its own, the instance as well: drivers finish
// writing their cache when that goes.
struct helper {
    struct device *device;
    struct kernels *kernels;
    struct recorder *recorder;
    GHashTable *buffers; // struct buffer, by the one of work->device in whose place it is
};

struct compile_options compile_defaults(void)
{
    return (struct compile_options){(int)MIN(g_get_num_processors(), MAX_THREADS), SLOW_US};
}

// NULL: nothing is left. Others take from the end, so that all can go on as long as possible.
static const struct dispatch *take(struct work *work, bool from_end)
{
    const struct dispatch *dispatch = NULL;
    g_mutex_lock(&work->lock);
    if (work->first < work->end) {
        guint index = from_end ? --work->end : work->first++;
        dispatch = g_ptr_array_index(work->dispatches, index);
    }
    g_mutex_unlock(&work->lock);
    return dispatch;
}

// *us: how long it took.
static bool compile(struct recorder *recorder, const struct dispatch *dispatch, gint64 *us,
                    GError **error)
{
    struct dispatch empty = *dispatch;
    gint64 start = g_get_monotonic_time();
    empty.indirect = NULL;
    memset(empty.groups, 0, sizeof empty.groups);
    bool ok = recorder_begin(recorder, error) && recorder_dispatch(recorder, &empty, error) &&
              recorder_end(recorder, error) && recorder_run(recorder, error);
    *us = g_get_monotonic_time() - start;
    return ok;
}

// ---- other threads -----------------------------------------------------------------------------

static void helper_finish(struct helper *helper)
{
    GHashTableIter iter;
    gpointer buffer;
    recorder_free(&helper->recorder);
    if (helper->buffers) {
        g_hash_table_iter_init(&iter, helper->buffers);
        while (g_hash_table_iter_next(&iter, NULL, &buffer)) {
            buffer_finish(buffer, helper->device);
        }
        g_clear_pointer(&helper->buffers, g_hash_table_unref);
    }
    kernels_free(&helper->kernels);
    device_free(&helper->device);
}

static bool helper_init(struct helper *helper, const struct device *device, GError **error)
{
    *helper = (struct helper){.device = device_new_alone(device, error)};
    helper->kernels = helper->device ? kernels_new(helper->device, error) : NULL;
    helper->recorder = helper->kernels ? recorder_new(helper->device, 1, 0, error) : NULL;
    if (!helper->recorder) {
        helper_finish(helper);
        return false;
    }
    helper->buffers = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return true;
}

// As large as the other one, because some drivers make a buffer's size part of the code. Nobody
// ever touches its memory.
static struct buffer *stand_in(struct helper *helper, const struct buffer *other, GError **error)
{
    struct buffer *buffer = g_hash_table_lookup(helper->buffers, other);
    if (!buffer) {
        buffer = g_new0(struct buffer, 1);
        if (!buffer_init(buffer, helper->device, other->bytes, other->kind, error)) {
            g_free(buffer);
            return NULL;
        }
        g_hash_table_insert(helper->buffers, (gpointer)other, buffer);
    }
    return buffer;
}

static bool helper_compile(struct helper *helper, const struct dispatch *dispatch, gint64 *us,
                           GError **error)
{
    struct dispatch own = *dispatch;
    own.kernel = kernels_get(helper->kernels, dispatch->kernel, error);
    if (!own.kernel) {
        return false;
    }
    for (int i = 0; i < own.kernel->n_bindings; i++) {
        struct binding *binding = &own.bindings[i];
        binding->buffer = stand_in(helper, binding->buffer, error);
        if (!binding->buffer) {
            return false;
        }
    }
    return compile(helper->recorder, &own, us, error);
}

// Compiles once more on a new device: quick if the code is in a cache.
static bool check_kept(struct helper *helper, const struct work *work,
                       const struct dispatch *dispatch, gint64 first_us, bool *kept, GError **error)
{
    gint64 us;
    helper_finish(helper);
    if (!helper_init(helper, work->device, error) ||
        !helper_compile(helper, dispatch, &us, error)) {
        return false;
    }
    *kept = us < first_us / 4;
    return true;
}

// Returns how many kernels were compiled to some purpose.
static int help_on(struct helper *helper, struct work *work, bool *kept, GError **error)
{
    const struct dispatch *dispatch;
    int done = 0;
    bool checked = false;
    *kept = true;
    while (*kept && (dispatch = take(work, true))) {
        gint64 us;
        if (!helper_compile(helper, dispatch, &us, error)) {
            return done;
        }
        if (!checked && us > work->options->slow_us) {
            checked = true;
            if (!check_kept(helper, work, dispatch, us, kept, error)) {
                return done;
            }
        }
        done += *kept;
    }
    return done;
}

static gpointer help(gpointer data)
{
    struct work *work = data;
    struct helper helper;
    g_autoptr(GError) error = NULL;
    int done = 0;
    bool kept = true;
    if (helper_init(&helper, work->device, &error)) {
        done = help_on(&helper, work, &kept, &error);
    }
    helper_finish(&helper);
    if (error) {
        log_info("one thread less compiles pipelines: %s", error->message);
    } else if (!kept) {
        log_info("one thread less compiles pipelines: %s keeps no code on disk",
                 work->device->name);
    }
    g_mutex_lock(&work->lock);
    work->elsewhere += done;
    g_mutex_unlock(&work->lock);
    return NULL;
}

// ---- this thread -------------------------------------------------------------------------------

static GPtrArray *first_dispatches(const GArray *dispatches)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    GPtrArray *first = g_ptr_array_new();
    for (guint i = 0; i < dispatches->len; i++) {
        struct dispatch *dispatch = &g_array_index(dispatches, struct dispatch, i);
        if (g_hash_table_add(seen, (gpointer)dispatch->kernel)) {
            g_ptr_array_add(first, dispatch);
        }
    }
    return first;
}

// threads: those that help are added.
static bool compile_rest(struct work *work, GPtrArray *threads, GError **error)
{
    struct recorder *recorder = recorder_new(work->device, 1, 0, error);
    const guint wanted = (guint)work->options->threads - 1;
    const struct dispatch *dispatch;
    bool ok = recorder != NULL;
    while (ok && (dispatch = take(work, false))) {
        gint64 us;
        ok = compile(recorder, dispatch, &us, error);
        while (ok && us > work->options->slow_us && threads->len < wanted) {
            GThread *thread = g_thread_try_new("effdet-compile", help, work, NULL);
            if (!thread) {
                break;
            }
            g_ptr_array_add(threads, thread);
        }
    }
    recorder_free(&recorder);
    return ok;
}

bool compile_ahead(struct device *device, const GArray *dispatches,
                   const struct compile_options *options, int *elsewhere, GError **error)
{
    struct work work = {
        .device = device, .options = options, .dispatches = first_dispatches(dispatches)};
    g_autoptr(GPtrArray) threads = g_ptr_array_new();
    work.end = work.dispatches->len;
    g_mutex_init(&work.lock);
    bool ok = compile_rest(&work, threads, error);
    while (!ok && take(&work, false)) { // leaves nothing for the others
    }
    for (guint i = 0; i < threads->len; i++) {
        g_thread_join(g_ptr_array_index(threads, i));
    }
    g_mutex_clear(&work.lock);
    g_ptr_array_unref(work.dispatches);
    if (elsewhere) {
        *elsewhere = work.elsewhere;
    }
    return ok;
}
