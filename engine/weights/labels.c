// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Label files: UTF-8 text, one label a line, an empty line for a channel without a name.
#include "weights/recognise.h"

#include "effdet/effdet.h"

#define MAX_LABEL_BYTES (1 << 20)

char **labels_read(const char *path, int num_classes, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) cause = NULL;
    if (!g_file_get_contents(path, &text, &length, &cause)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND,
                    "label file %s: wanted a readable text file: %s", path, cause->message);
        return NULL;
    }
    if (length > MAX_LABEL_BYTES || !g_utf8_validate(text, (gssize)length, NULL)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                    "label file %s: wanted UTF-8 text of at most 1 MiB, found something else",
                    path);
        return NULL;
    }
    const char *start = g_str_has_prefix(text, "\xef\xbb\xbf") ? text + 3 : text; // byte order mark
    g_auto(GStrv) lines = g_strsplit(start, "\n", -1);
    int n = (int)g_strv_length(lines);
    for (int i = 0; i < n; i++) {
        g_strstrip(lines[i]);
    }
    if (n > 0 && !lines[n - 1][0]) { // what follows the last newline is no line
        n--;
    }
    while (n > num_classes && !lines[n - 1][0]) {
        n--;
    }
    if (n != num_classes) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
                    "label file %s: wanted %d lines, one for each class of the network, found %d; "
                    "leave a line empty for a channel without a name",
                    path, num_classes, n);
        return NULL;
    }
    char **labels = g_new0(char *, num_classes + 1);
    for (int i = 0; i < num_classes; i++) {
        labels[i] = g_strdup(lines[i]);
    }
    return labels;
}
