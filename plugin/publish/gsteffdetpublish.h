// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element that publishes what is on the buffers, for its registration.
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_EFFDET_PUBLISH (gst_effdet_publish_get_type())
G_DECLARE_FINAL_TYPE(GstEffdetPublish, gst_effdet_publish, GST, EFFDET_PUBLISH, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE(effdetpublish)

G_END_DECLS
