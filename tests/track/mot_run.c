// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs the tracker on a file of MOTChallenge detections and writes its results in the same form.
//
//     mot_run [OPTION…] DET.txt OUT.txt
#include "follow.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static gboolean parse_size(const char *text, struct track_options *track)
{
    char *end;
    track->width = g_ascii_strtod(text, &end);
    if (*end != 'x') {
        return FALSE;
    }
    track->height = g_ascii_strtod(end + 1, &end);
    return *end == '\0' && track->width > 0 && track->height > 0;
}

static gboolean options_read(int *argc, char ***argv, struct follow_options *o, GError **error)
{
    g_autofree char *size = NULL;
    gboolean one_class = FALSE;
    int most = (int)o->track.max_tracks;
    const GOptionEntry entries[] = {
        {"fps", 0, 0, G_OPTION_ARG_DOUBLE, &o->fps, "frames per second (30)", "F"},
        {"interval", 0, 0, G_OPTION_ARG_INT, &o->interval, "look at every N-th frame (1)", "N"},
        {"frames", 0, 0, G_OPTION_ARG_INT, &o->frames, "of the sequence (to the last row)", "N"},
        {"looked-only", 0, 0, G_OPTION_ARG_NONE, &o->looked_only, "write no other frames", NULL},
        {"hold", 0, 0, G_OPTION_ARG_DOUBLE, &o->hold_s, "write what is unseen so long (0)", "S"},
        {"high", 0, 0, G_OPTION_ARG_DOUBLE, &o->track.high_score, "begins a track", "SCORE"},
        {"low", 0, 0, G_OPTION_ARG_DOUBLE, &o->track.low_score, "continues a track", "SCORE"},
        {"overlap", 0, 0, G_OPTION_ARG_DOUBLE, &o->track.min_overlap, "needed overlap", "IOU"},
        {"confirm", 0, 0, G_OPTION_ARG_DOUBLE, &o->track.confirm_s, "until a number", "S"},
        {"memory", 0, 0, G_OPTION_ARG_DOUBLE, &o->track.memory_s, "for the unseen", "S"},
        {"max-tracks", 0, 0, G_OPTION_ARG_INT, &most, "at a time", "N"},
        {"same-class", 0, 0, G_OPTION_ARG_NONE, &one_class, "a track has one class", NULL},
        {"size", 0, 0, G_OPTION_ARG_STRING, &size, "of the picture", "WxH"},
        {NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new("DET.txt OUT.txt");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, error)) {
        return FALSE;
    }
    const char *wrong = NULL;
    if (*argc != 3) {
        wrong = "wanted two files, DET.txt and OUT.txt (see --help)";
    } else if (!(o->fps > 0 && o->fps <= 1e6)) {
        wrong = "--fps wants a number above 0";
    } else if (o->interval < 1) {
        wrong = "--interval wants 1 or more";
    } else if (o->frames < 0) {
        wrong = "--frames wants 0 or more";
    } else if (most < 1) {
        wrong = "--max-tracks wants 1 or more";
    } else if (size && !parse_size(size, &o->track)) {
        wrong = "--size wants WIDTHxHEIGHT, both above 0";
    }
    if (wrong) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, wrong);
        return FALSE;
    }
    o->track.max_tracks = (guint)most;
    o->track.across_classes = !one_class;
    return TRUE;
}

static gboolean run(int argc, char **argv, GError **error)
{
    struct follow_options options;
    follow_options_init(&options);
    if (!options_read(&argc, &argv, &options, error)) {
        return FALSE;
    }
    g_autoptr(GArray) detections = mot_read(argv[1], error);
    if (!detections) {
        return FALSE;
    }
    g_autoptr(GArray) results = follow(detections, &options);
    FILE *file = fopen(argv[2], "w");
    gboolean written = file != NULL;
    if (file) {
        for (guint i = 0; i < results->len; i++) {
            struct mot_row row = g_array_index(results, struct mot_row, i);
            row.class_id = -1;
            mot_write(file, &row);
        }
        written = !ferror(file);
        written = fclose(file) == 0 && written;
    }
    if (!written) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot write %s: %s",
                    argv[2], g_strerror(errno));
    }
    return written;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    if (!run(argc, argv, &error)) {
        fprintf(stderr, "mot_run: %s\n", error->message);
        return 1;
    }
    return 0;
}
