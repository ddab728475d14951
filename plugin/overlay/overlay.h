// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element that draws detections, for its registration.
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_EFFDET_OVERLAY (gst_effdet_overlay_get_type())
G_DECLARE_FINAL_TYPE(GstEffdetOverlay, gst_effdet_overlay, GST, EFFDET_OVERLAY, GstBaseTransform)

// The same type under two names: `overlay` is the short one for the command line.
GST_ELEMENT_REGISTER_DECLARE(effdetoverlay)
GST_ELEMENT_REGISTER_DECLARE(overlay)

G_END_DECLS
