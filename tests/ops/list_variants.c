// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Prints values for EFFDET_VARIANT, one a line, in which every variant of every operation that the
// device can run occurs at least once: what tests/matrix forces.
#include "ops/op.h"
#include "ops/variant.h"

#include <stdio.h>

int main(void)
{
    g_autoptr(GError) error = NULL;
    struct device *device = device_new(NULL, &error);
    if (!device) {
        fprintf(stderr, "%s\n", error->message);
        return 1;
    }
    char **names[N_OPS];
    guint rows = 0;
    for (int op = 0; op < N_OPS; op++) {
        names[op] = op_table[op].stem ? variant_names(op_table[op].stem, &device->features) : g_new0(char *, 1);
        rows = MAX(rows, g_strv_length(names[op]));
    }
    for (guint row = 0; row < rows; row++) {
        g_autoptr(GString) line = g_string_new(NULL);
        for (int op = 0; op < N_OPS; op++) {
            guint n = g_strv_length(names[op]);
            if (n) {
                g_string_append_printf(line, "%s%s:%s", line->len ? "," : "", op_table[op].stem,
                                       names[op][row % n]);
            }
        }
        puts(line->str);
    }
    for (int op = 0; op < N_OPS; op++) {
        g_strfreev(names[op]);
    }
    device_free(&device);
    return 0;
}
