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

// One engine made and swapped in. Called and left with lock held, which is released meanwhile.
static void reload(GstEffdet *self)
{
    gboolean lost = self->lost, opened;
    Use use = {NULL};
    GError *error = NULL;

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
    opened = detector_open(self, &use, &error);
    if (!opened && lost) {
        detector_fail(self, error);
    } else if (!opened) {
        detector_post(self, GST_MESSAGE_WARNING, error);
    }
    g_mutex_lock(&self->lock);
    if (opened && drain(self)) {
        swap_in(self, &use);
        self->lost = FALSE;
    }
    self->draining = FALSE;
    g_cond_broadcast(&self->cond);
    g_mutex_unlock(&self->lock);
    GST_OBJECT_LOCK(self); // what was set meanwhile went to the other engine
    self->filter_changed = TRUE;
    GST_OBJECT_UNLOCK(self);
    detector_close(&use);
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
