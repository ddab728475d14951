// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading and writing of MOTChallenge rows.
#include "mot.h"

#include <math.h>

#define MOST_FRAMES 10000000

static gboolean parse(const char *line, struct mot_row *row)
{
    double value[8] = {0, 0, 0, 0, 0, 0, 1, -1};
    guint n = 0;
    for (const char *at = line; n < G_N_ELEMENTS(value); n++) {
        char *end;
        double number = g_ascii_strtod(at, &end);
        if (end == at) {
            return FALSE;
        }
        value[n] = number;
        while (*end == ' ') {
            end++;
        }
        if (*end == '\0') {
            n++;
            break;
        }
        if (*end != ',') {
            return FALSE;
        }
        at = end + 1;
    }
    if (n < 6 || !(value[0] >= 1 && value[0] <= MOST_FRAMES) || !(fabs(value[1]) < 1e15) ||
        !(fabs(value[7]) < G_MAXINT)) {
        return FALSE;
    }
    *row = (struct mot_row){.frame = (int)value[0],
                            .id = (gint64)value[1],
                            .box = {value[2], value[3], value[4], value[5]},
                            .score = value[6],
                            .class_id = (int)value[7]};
    return TRUE;
}

// g_array_sort() is not stable before GLib 2.76: the place in the file decides among equals.
struct placed {
    struct mot_row row;
    guint place;
};

static gint by_frame(gconstpointer a, gconstpointer b)
{
    const struct placed *one = a, *other = b;
    if (one->row.frame != other->row.frame) {
        return one->row.frame < other->row.frame ? -1 : 1;
    }
    return one->place < other->place ? -1 : one->place > other->place;
}

GArray *mot_read(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, error)) {
        return NULL;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GArray) placed = g_array_new(FALSE, FALSE, sizeof(struct placed));
    for (guint i = 0; lines[i]; i++) {
        g_strstrip(lines[i]);
        struct placed row = {.place = i};
        if (lines[i][0] == '\0') {
            continue;
        }
        if (!parse(lines[i], &row.row)) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "%s:%u: wanted frame,id,x,y,w,h,score with frames from 1, found \"%.60s\"",
                        path, i + 1, lines[i]);
            return NULL;
        }
        g_array_append_val(placed, row);
    }
    g_array_sort(placed, by_frame);
    GArray *rows = g_array_sized_new(FALSE, FALSE, sizeof(struct mot_row), placed->len);
    for (guint i = 0; i < placed->len; i++) {
        g_array_append_val(rows, g_array_index(placed, struct placed, i).row);
    }
    return rows;
}

void mot_write(FILE *file, const struct mot_row *row)
{
    char number[5][G_ASCII_DTOSTR_BUF_SIZE];
    const double value[5] = {row->box.x, row->box.y, row->box.w, row->box.h, row->score};
    for (int i = 0; i < 5; i++) {
        g_ascii_formatd(number[i], sizeof(number[i]), i < 4 ? "%.2f" : "%.4f", value[i]);
    }
    fprintf(file, "%d,%" G_GINT64_FORMAT ",%s,%s,%s,%s,%s,%d,-1,-1\n", row->frame, row->id,
            number[0], number[1], number[2], number[3], number[4], row->class_id);
}

const struct mot_row *mot_frame(const GArray *rows, int frame, guint *n)
{
    guint from = 0, to = rows->len;
    while (from < to) {
        guint middle = from + (to - from) / 2;
        if (g_array_index(rows, struct mot_row, middle).frame < frame) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    *n = 0;
    while (from + *n < rows->len && g_array_index(rows, struct mot_row, from + *n).frame == frame) {
        ++*n;
    }
    return rows->len ? &g_array_index(rows, struct mot_row, MIN(from, rows->len - 1)) : NULL;
}
