// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A second engine made in the background and swapped in between two frames: a new model, or a new
// start after a lost device.
#include "detector.h"

// Waits until no frame is with the engine, and lets none in. FALSE with quit set. Under lock.
static gboolean drain(GstEffdet *self)
{
    self->draining = TRUE;
    while (!self->quit && (self->n_in_engine > 0 || self->collecting)) {
        g_cond_wait(&self->cond, &self->lock);
    }
    return !self->quit;
}

static void swap_in(GstEffdet *self, Use *use)
{
    Use old = self->use;

    self->use = *use;
    *use = old;
}

// A model that cannot be loaded is not the one in force: the property says which is, unless it was
// set again.
static void restore_model(GstEffdet *self, const gchar *tried)
{
    gboolean restored;

    g_mutex_lock(&self->lock);
    GST_OBJECT_LOCK(self);
    restored = g_strcmp0(self->settings.model, tried) == 0;
    if (restored) {
        g_free(self->settings.model);
        self->settings.model = g_strdup(self->use.model);
    }
    GST_OBJECT_UNLOCK(self);
    g_mutex_unlock(&self->lock);
    if (restored) {
        g_object_notify(G_OBJECT(self), "model");
    }
}

// Without lock. FALSE where there is no engine; then it was told.
static gboolean open_engine(GstEffdet *self, gboolean lost, Use *use)
{
    g_autofree gchar *model = NULL;
    GError *error = NULL;

    GST_OBJECT_LOCK(self);
    model = g_strdup(self->settings.model);
    GST_OBJECT_UNLOCK(self);
    detector_progress(self, GST_PROGRESS_TYPE_START, "Loading the model");
    if (detector_open(self, use, &error)) {
        return TRUE;
    }
    detector_progress(self, GST_PROGRESS_TYPE_ERROR, error->message);
    if (lost) {
        detector_fail(self, error);
    } else {
        detector_post(self, GST_MESSAGE_WARNING, error);
        restore_model(self, model);
    }
    return FALSE;
}

// One engine made and swapped in. Called and left with lock held, which is released meanwhile.
static void reload(GstEffdet *self)
{
    gboolean lost = self->lost, opened;
    Use use = {NULL};
    g_autofree gchar *text = NULL;

    if (lost && !drain(self)) {
        return;
    }
    if (lost) { // a dead engine goes first: its memory may be needed
        swap_in(self, &use);
        g_mutex_unlock(&self->lock);
        detector_close(&use);
        g_mutex_lock(&self->lock);
    }
    g_mutex_unlock(&self->lock);
    opened = open_engine(self, lost, &use);
    g_mutex_lock(&self->lock);
    if (opened && drain(self)) {
        swap_in(self, &use);
        self->unproven = lost;
        self->lost = FALSE;
        self->silence = (Silence){0};
        text = detector_describe(&self->use);
    }
    self->draining = FALSE;
    g_cond_broadcast(&self->cond);
    g_mutex_unlock(&self->lock);
    GST_OBJECT_LOCK(self); // what was set meanwhile went to the other engine
    self->filter_changed = TRUE;
    GST_OBJECT_UNLOCK(self);
    detector_close(&use);
    if (text != NULL) {
        detector_progress(self, GST_PROGRESS_TYPE_COMPLETE, text);
    }
    g_mutex_lock(&self->lock);
}

static gpointer load(gpointer data)
{
    GstEffdet *self = data;

    g_mutex_lock(&self->lock);
    while (!self->quit) {
        if (self->reload_wanted) {
            self->reload_wanted = FALSE;
            reload(self);
        } else {
            g_cond_wait(&self->cond, &self->lock);
        }
    }
    g_mutex_unlock(&self->lock);
    return NULL;
}

void loader_kick(GstEffdet *self)
{
    g_mutex_lock(&self->lock);
    if (self->collector != NULL && !self->quit) {
        self->reload_wanted = TRUE;
        if (self->loader == NULL) {
            self->loader = g_thread_new("effdet-load", load, self);
        }
        g_cond_broadcast(&self->cond);
    }
    g_mutex_unlock(&self->lock);
}

void loader_join(GstEffdet *self)
{
    if (self->loader != NULL) {
        g_thread_join(g_steal_pointer(&self->loader));
    }
}
