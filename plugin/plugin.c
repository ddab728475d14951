// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Registration of the elements, and nothing else: loading the plugin touches neither Vulkan nor a
// file.
#include <gst/gst.h>

#include "detector/gsteffdet.h"
#include "overlay/overlay.h"
#include "publish/gsteffdetpublish.h"
#include "track/gsteffdettrack.h"
#include "zones/gsteffdetzones.h"

static gboolean plugin_init(GstPlugin *plugin)
{
    gboolean registered = FALSE;

    registered |= GST_ELEMENT_REGISTER(effdet, plugin);
    registered |= GST_ELEMENT_REGISTER(effdetoverlay, plugin);
    registered |= GST_ELEMENT_REGISTER(overlay, plugin);
    registered |= GST_ELEMENT_REGISTER(effdettrack, plugin);
    registered |= GST_ELEMENT_REGISTER(effdetzones, plugin);
    registered |= GST_ELEMENT_REGISTER(effdetpublish, plugin);
    return registered;
}

#define PACKAGE "effdet"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, effdet,
                  "EfficientDet object detection as Vulkan compute shaders", plugin_init,
                  PACKAGE_VERSION, "LGPL", "effdet", "Unknown package origin")
