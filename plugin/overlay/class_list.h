// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A user's list of classes, in the syntax of the detector's `classes`: "person,3,-car". What
// happens to them is decided elsewhere.
#pragma once

#include "meta/detections.h"

G_BEGIN_DECLS

// Names or class channels; with only excluded ones all others are in it, and with none, none.
// Names are compared without regard to case. Immutable; free-threaded.
typedef struct ClassList ClassList;

// Whatever detectors there may be upstream, so nothing is unknown. NULL where no class is named.
ClassList *class_list_new(const gchar *text);
void class_list_free(ClassList *list);

// Whether the class that the object is shown as, the tracker's choice if it has one, is in it.
gboolean class_list_has_shown(const ClassList *list, const EffdetDetection *object);

// Whether what the detector or what the tracker takes it for is in it.
gboolean class_list_has_any(const ClassList *list, const EffdetDetection *object);

G_END_DECLS
