// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Pictures from files, by gdk-pixbuf. Drawing is in draw.c.
#include "cli/picture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define MAX_SIDE_PX 16384 // of an EffdetFrame

GdkPixbuf *picture_load(const char *path, GError **error)
{
    GStatBuf status;
    if (g_stat(path, &status) != 0 || g_access(path, R_OK) != 0) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND, "%s: %s", path, g_strerror(errno));
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) { // opening a pipe would wait
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE, "%s: not a regular file", path);
        return NULL;
    }
    int width = 0, height = 0;
    if (!gdk_pixbuf_get_file_info(path, &width, &height)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                    "%s: not a picture in a format that gdk-pixbuf knows", path);
        return NULL;
    }
    if (width > MAX_SIDE_PX || height > MAX_SIDE_PX) { // before anything of that size is allocated
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                    "%s: %dx%d pixels, at most %dx%d are possible", path, width, height,
                    MAX_SIDE_PX, MAX_SIDE_PX);
        return NULL;
    }
    g_autoptr(GError) cause = NULL;
    g_autoptr(GdkPixbuf) stored = gdk_pixbuf_new_from_file(path, &cause);
    if (!stored) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE, "%s: %s", path, cause->message);
        return NULL;
    }
    GdkPixbuf *upright = gdk_pixbuf_apply_embedded_orientation(stored);
    if (!upright) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "%s: no memory to turn the picture upright", path);
    }
    return upright;
}

EffdetFrame picture_frame(const GdkPixbuf *picture)
{
    return (EffdetFrame){
        .format = gdk_pixbuf_get_has_alpha(picture) ? EFFDET_FORMAT_RGBX : EFFDET_FORMAT_RGB,
        .width = (guint)gdk_pixbuf_get_width(picture),
        .height = (guint)gdk_pixbuf_get_height(picture),
        .planes = {{.data = gdk_pixbuf_read_pixels(picture),
                    .stride_bytes = (gsize)gdk_pixbuf_get_rowstride(picture)}},
    };
}
