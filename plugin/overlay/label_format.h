// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The text at a box, from a template of the user's. It is drawn elsewhere (labels.h).
#pragma once

#include "meta/detections.h"

G_BEGIN_DECLS

#define LABEL_FORMAT_DEFAULT "{label} {confidence:.2f} #{id}"

// A template that has been read. Immutable; free-threaded.
typedef struct LabelFormat LabelFormat;

// NULL if the template cannot be read; then *why says where, in one line. (transfer full)
LabelFormat *label_format_new(const gchar *pattern, gchar **why);
void label_format_free(LabelFormat *format);

// Writes the object's text, cut to the size (bytes with the final zero, > 0): without the words
// (what stands between blanks) that have a field which the object lacks. `confidence` FALSE: no
// object has one. Allocates nothing.
void label_format_write(const LabelFormat *format, const EffdetDetection *object,
                        gboolean confidence, gchar *text, gsize size);

G_END_DECLS
