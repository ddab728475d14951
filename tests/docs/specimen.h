// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// An element that has one of everything that a page can say, and its page.
#pragma once

#include <gst/gst.h>

GstElementFactory *specimen_register(void); // (transfer full)
extern const gchar specimen_source[], specimen_page[];
