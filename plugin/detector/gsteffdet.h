// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The type of the `effdet` element; its struct is private to this folder (detector.h).
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_EFFDET (gst_effdet_get_type())
G_DECLARE_FINAL_TYPE(GstEffdet, gst_effdet, GST, EFFDET, GstElement)

GST_ELEMENT_REGISTER_DECLARE(effdet);

G_END_DECLS
