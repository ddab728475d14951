// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The page of an element: what it registers, and what its comments say. The same text for every
// release of GStreamer.
#pragma once

#include "comments.h"

#include <gst/gst.h>

// aliases: other names of the element, separated by commas; NULL = none. An element without a
// comment "SECTION:element-NAME" is an error. (transfer full)
gchar *describe_element(GstElementFactory *factory, const gchar *aliases, const Comments *comments);
