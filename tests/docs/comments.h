// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Documentation comments of the plugin's sources, as Markdown. Of the form that GStreamer's own
// tools read, what our comments use: blocks |[ ]|, links #Type:property, Since:.
#pragma once

#include <glib.h>

typedef struct _Comments Comments;

// Reads every /** comment of the .c files under a folder.
Comments *comments_read(const gchar *folder);
void comments_free(Comments *comments);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Comments, comments_free)

// What the comment of this name says, for the page of a type, to whose own properties links lead.
// Names are those on the comment's first line: "SECTION:element-effdet", "GstEffdet:model". NULL
// without one. *since is the text behind Since:, or NULL. (transfer full, both)
gchar *comments_get(const Comments *comments, const gchar *name, const gchar *type, gchar **since);
