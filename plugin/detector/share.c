// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The engines of this process that have a group, and how elements come to theirs.
#include "share.h"

struct _Share {
    gchar *key; // NULL: of one element alone
    EffdetEngine *engine;
    GMutex streams;   // held while a stream is made: one at a time
    guint users;      // under `lock`
    gboolean loading; // likewise: the engine is being made
};

static GMutex lock;
static GCond loaded;    // some share is not `loading` any more
static GPtrArray *open; // of Share with a key; under `lock`

// What engines are equal by. Thresholds and the queue depth are each stream's own.
static gchar *make_key(const Settings *settings)
{
    g_autoptr(GVariant) key = NULL;
    const gchar *device = settings_text(settings->device), *model = settings_text(settings->model);

    if (settings_text(settings->share_group) == NULL) {
        return NULL;
    }
    key = g_variant_ref_sink(
        g_variant_new("(sssssisu)", settings->share_group, model != NULL ? model : "",
                      settings->weights != NULL ? settings->weights : "",
                      settings->labels != NULL ? settings->labels : "",
                      settings->project != NULL ? settings->project : "", (gint)settings->precision,
                      device != NULL ? device : "auto", settings->gpu_timeout_ms));
    return g_variant_print(key, FALSE);
}

static EffdetEngine *make_engine(const Settings *settings, GError **error)
{
    EffdetEngineParams params = {
        .model = settings_text(settings->model),
        .weights = settings_text(settings->weights),
        .labels = settings_text(settings->labels),
        .project = settings_text(settings->project),
        .device = settings_text(settings->device),
        .precision = settings->precision,
        .queue_depth = settings->queue_depth,
        // the engine's own default knows slow devices
        .gpu_timeout_ms =
            settings->gpu_timeout_ms == DEFAULT_GPU_TIMEOUT_MS ? 0 : settings->gpu_timeout_ms};

    return effdet_engine_new(&params, error);
}

static void share_free(Share *share)
{
    effdet_engine_free(&share->engine);
    g_mutex_clear(&share->streams);
    g_free(share->key);
    g_free(share);
}

// Under `lock`.
static Share *find(const gchar *key)
{
    for (guint i = 0; open != NULL && i < open->len; i++) {
        Share *share = g_ptr_array_index(open, i);

        if (g_strcmp0(share->key, key) == 0) {
            return share;
        }
    }
    return NULL;
}

// Under `lock`.
static void close_locked(Share *share)
{
    if (open != NULL && g_ptr_array_remove_fast(open, share) && open->len == 0) {
        g_clear_pointer(&open, g_ptr_array_unref);
    }
}

// The group's engine, in use now; or a new one of the caller's that is `loading`, for all to see.
static Share *join(const gchar *key)
{
    Share *share;

    g_mutex_lock(&lock);
    while ((share = find(key)) != NULL && share->loading) {
        g_cond_wait(&loaded, &lock);
    }
    if (share == NULL) {
        share = g_new0(Share, 1);
        share->key = g_strdup(key);
        share->loading = TRUE;
        g_mutex_init(&share->streams);
        if (open == NULL) {
            open = g_ptr_array_new();
        }
        g_ptr_array_add(open, share);
    }
    share->users++;
    g_mutex_unlock(&lock);
    return share;
}

Share *share_acquire(const Settings *settings, GError **error)
{
    g_autofree gchar *key = make_key(settings);
    Share *share;

    if (key == NULL) {
        share = g_new0(Share, 1);
        share->users = 1;
        g_mutex_init(&share->streams);
    } else {
        share = join(key);
        if (share->engine != NULL) {
            return share;
        }
    }
    share->engine = make_engine(settings, error);
    g_mutex_lock(&lock);
    share->loading = FALSE;
    if (share->engine == NULL) { // whoever waited tries for itself
        close_locked(share);
        g_clear_pointer(&share, share_free);
    }
    g_cond_broadcast(&loaded);
    g_mutex_unlock(&lock);
    return share;
}

void share_release(Share **share)
{
    Share *self = g_steal_pointer(share);
    gboolean last;

    if (self == NULL) {
        return;
    }
    g_mutex_lock(&lock);
    last = --self->users == 0;
    if (last) {
        close_locked(self);
    }
    g_mutex_unlock(&lock);
    if (last) {
        share_free(self);
    }
}

void share_forget(Share *share)
{
    g_mutex_lock(&lock);
    close_locked(share);
    g_mutex_unlock(&lock);
}

EffdetEngine *share_engine(Share *share)
{
    return share->engine;
}

EffdetStream *share_stream(Share *share, const Settings *settings, GError **error)
{
    EffdetStream *stream;

    g_mutex_lock(&share->streams);
    stream = effdet_stream_new(share->engine, settings->queue_depth, error);
    g_mutex_unlock(&share->streams);
    return stream;
}
