// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Writes the truth and the detections of an invented world as MOTChallenge files.
//
//     worlds SEED FPS DIR        DIR/gt.txt, DIR/det.txt; prints frames, width and height
#include "world.h"

#include <glib/gstdio.h>

static gboolean write_rows(const char *folder, const char *name, const GArray *rows)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    FILE *file = g_fopen(path, "w");
    for (guint i = 0; file && i < rows->len; i++) {
        mot_write(file, &g_array_index(rows, struct mot_row, i));
    }
    if (!file || ferror(file) | fclose(file)) {
        fprintf(stderr, "worlds: cannot write %s\n", path);
        return FALSE;
    }
    return TRUE;
}

int main(int argc, char **argv)
{
    guint64 seed;
    double fps = argc == 4 ? g_ascii_strtod(argv[2], NULL) : 0;
    if (argc != 4 || !(fps >= 1 && fps <= 120) ||
        !g_ascii_string_to_unsigned(argv[1], 10, 0, G_MAXUINT32, &seed, NULL)) {
        fprintf(stderr, "worlds: wanted SEED FPS DIR with 1 to 120 frames per second\n");
        return 1;
    }
    struct world_options options;
    struct world world;
    world_options_init(&options, (guint32)seed, fps);
    world_make(&world, &options);
    gboolean written = g_mkdir_with_parents(argv[3], 0777) == 0 &&
                       write_rows(argv[3], "gt.txt", world.truth) &&
                       write_rows(argv[3], "det.txt", world.detections);
    printf("%d %d %d\n", world.frames, WORLD_WIDTH, WORLD_HEIGHT);
    world_finish(&world);
    return written ? 0 : 1;
}
