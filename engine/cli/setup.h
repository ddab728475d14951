// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What is installed around the engine: Vulkan driver files and the GStreamer plugin. For `effdet
// check`.
#pragma once

#include "base/util.h"

// Driver files (*.json) that the Vulkan loader would read (transfer full) (element-type filename).
// *origin (transfer full) says which variable or which folders they come from.
GPtrArray *setup_driver_files(char **origin) WARN_UNUSED;

// The file of the GStreamer plugin, or NULL: in GStreamer's plugin path, where it is installed, or
// in the build tree (transfer full).
char *setup_plugin_file(void) WARN_UNUSED;

enum inspect_result { INSPECT_FOUND, INSPECT_NOT_FOUND, INSPECT_NO_TOOL };
// Whether GStreamer finds the element, asked of gst-inspect-1.0.
enum inspect_result setup_inspect(void);
