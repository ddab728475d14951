// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element that tells who is where, for its registration.
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_EFFDET_ZONES (gst_effdet_zones_get_type())
G_DECLARE_FINAL_TYPE(GstEffdetZones, gst_effdet_zones, GST, EFFDET_ZONES, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE(effdetzones)

G_END_DECLS
