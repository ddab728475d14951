// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Frame by frame through the tracker.
#include "follow.h"

void follow_options_init(struct follow_options *options)
{
    *options = (struct follow_options){.fps = 30, .interval = 1};
    track_options_init(&options->track);
}

static void look(struct tracker *tracker, const GArray *detections, int frame, double time_s,
                 GArray *buffer)
{
    guint n;
    const struct mot_row *rows = mot_frame(detections, frame, &n);
    g_array_set_size(buffer, 0);
    for (guint i = 0; i < n; i++) {
        struct track_detection detection = {.box = rows[i].box,
                                            .score = rows[i].score,
                                            .class_id = (uint32_t)MAX(rows[i].class_id, 0)};
        g_array_append_val(buffer, detection);
    }
    tracker_update(tracker, time_s, (struct track_detection *)(void *)buffer->data, n);
}

GArray *follow(const GArray *detections, const struct follow_options *options)
{
    int frames = options->frames;
    if (frames == 0 && detections->len > 0) {
        frames = g_array_index(detections, struct mot_row, detections->len - 1).frame;
    }
    struct tracker *tracker = tracker_new(&options->track);
    g_assert_nonnull(tracker);
    g_autoptr(GArray) buffer = g_array_new(FALSE, FALSE, sizeof(struct track_detection));
    GArray *results = g_array_new(FALSE, FALSE, sizeof(struct mot_row));
    double looked_s = 0;
    for (int frame = 1; frame <= frames; frame++) {
        double time_s = (frame - 1) / options->fps;
        gboolean looked = (frame - 1) % options->interval == 0;
        if (looked) {
            look(tracker, detections, frame, time_s, buffer);
            looked_s = time_s;
        } else if (options->looked_only) {
            continue;
        } else {
            tracker_predict(tracker, time_s);
        }
        size_t n;
        const struct track *tracks = tracker_tracks(tracker, &n);
        for (size_t i = 0; i < n; i++) {
            if (tracks[i].last_s < looked_s - options->hold_s) {
                continue;
            }
            struct mot_row row = {.frame = frame,
                                  .id = tracks[i].id,
                                  .box = tracks[i].box,
                                  .score = tracks[i].score,
                                  .class_id = (int)tracks[i].class_id};
            g_array_append_val(results, row);
        }
    }
    tracker_free(&tracker);
    return results;
}
