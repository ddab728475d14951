// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Who uses which engine: one element alone, or all of one `share-group` that ask for the same.
// Knows no element and no stream of buffers.
#pragma once

#include "settings.h"

// An engine and those who use it. All functions are free-threaded.
typedef struct _Share Share;

// An engine of these settings. Of a group, the one that is there already, or that another element
// is just making: then this waits for it. NULL with *error.
Share *share_acquire(const Settings *settings, GError **error) G_GNUC_WARN_UNUSED_RESULT;
// The last one frees the engine: its streams have to be gone before. Accepts a pointer to NULL.
void share_release(Share **share);
// Nobody else shall get it any more: its device is lost.
void share_forget(Share *share);

EffdetEngine *share_engine(Share *share);
// A new stream of it, with the settings' queue depth. NULL with *error.
EffdetStream *share_stream(Share *share, const Settings *settings,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
