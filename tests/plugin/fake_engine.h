// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A double of libeffdet for the element's tests: the functions of effdet.h without Vulkan, with
// scripted objects, completion times and failures. One script for all engines of the process; every
// function is free-threaded.
#pragma once

#include <effdet/effdet.h>

// What the next engines and frames do. Set by fake_script() as a whole.
typedef struct {
    const EffdetObject *objects; // of every result, falling confidence, kept by the caller
    guint n_objects;
    gint64 completion_us;   // from submit to result
    gboolean blind;         // pictures are not read: for measurements
    gboolean gated;         // results wait for fake_release() instead
    const gchar *new_error; // effdet_engine_new() fails with this text …
    EffdetErrorCode new_code;
    gint64 new_us;         // … after this long
    guint fail_collect_at; // the n-th collect from now on fails with DEVICE_LOST; 0 = none
    guint fail_submit_at;  // the same of submit
} FakeScript;

void fake_script(const FakeScript *script);
// Lets so many gated frames finish.
void fake_release(guint n);

// What happened since fake_script().
typedef struct {
    guint n_new, n_alive; // engines made, engines not freed (ever)
    guint n_submitted, n_busy;
    EffdetFrame frame;    // the last one; planes[].data is not valid any more
    guint64 plane_sum[3]; // of the visible bytes of each plane
    EffdetFilter filter;  // in force
    gchar classes[64];
    gchar model[64];
} FakeLog;

FakeLog fake_log(void);
