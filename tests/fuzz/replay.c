// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Gives every file under the folders on the command line to the fuzz target that this is linked
// with, without a fuzzing engine.
#include "fuzz.h"

#include <glib.h>

static char **folders;

static unsigned replay(const char *path)
{
    unsigned count = 0;
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    if (folder) {
        const char *name;
        while ((name = g_dir_read_name(folder))) {
            g_autofree char *inner = g_build_filename(path, name, NULL);
            count += replay(inner);
        }
        return count;
    }
    g_autofree char *data = NULL;
    gsize size;
    if (!g_file_get_contents(path, &data, &size, NULL)) {
        g_test_message("%s cannot be read", path);
        g_test_fail();
        return 0;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)data, size);
    return 1;
}

static void test_corpus(void)
{
    for (char **folder = folders; *folder; folder++) {
        unsigned count = replay(*folder);
        g_test_message("%s: %u files", *folder, count);
        g_assert_cmpuint(count, >, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folders = argv + 1;
    g_test_add_func("/fuzz/corpus", test_corpus);
    return g_test_run();
}
