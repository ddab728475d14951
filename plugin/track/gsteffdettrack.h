// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element that numbers objects, for its registration.
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_EFFDET_TRACK (gst_effdet_track_get_type())
G_DECLARE_FINAL_TYPE(GstEffdetTrack, gst_effdet_track, GST, EFFDET_TRACK, GstBaseTransform)
GST_ELEMENT_REGISTER_DECLARE(effdettrack)

G_END_DECLS
