// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Picture files in and out: loading for the engine, and drawing what it found.
#pragma once

#include "base/util.h"
#include "effdet/effdet.h"

#include <gdk-pixbuf/gdk-pixbuf.h>

// Loads a picture in any format that gdk-pixbuf knows, turned upright as its EXIF orientation says.
// NULL with *error, which names the file.
GdkPixbuf *picture_load(const char *path, GError **error) WARN_UNUSED;

// The picture as the engine takes it, valid as long as the pixbuf. An alpha channel is ignored: the
// colours under it count.
EffdetFrame picture_frame(const GdkPixbuf *picture);

// Writes the picture as PNG with the objects' boxes, labels and confidences on it. labels: as in
// EffdetEngineInfo.
bool picture_draw(const GdkPixbuf *picture, const EffdetResult *result, const gchar *const *labels,
                  const char *path, GError **error) WARN_UNUSED;
