// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Fuzz target: any text as areas and lines. What is taken keeps every promise of zones.h and can be
// used; what is not has a message of one line.
#include "fuzz.h"
#include "zones/config.h"

#include <string.h>

static void check_name(const gchar *name)
{
    if (name == NULL || *name == '\0' || !g_utf8_validate(name, -1, NULL)) {
        g_error("a name that is no text");
    }
}

static void check_shape(const ZonesShape *shape, gboolean is_line)
{
    check_name(shape->name);
    if (is_line ? shape->n_points != 2
                : shape->n_points < 3 || shape->n_points > ZONES_MAX_POINTS) {
        g_error("'%s' has %u points", shape->name, shape->n_points);
    }
    for (guint i = 0; i < shape->n_points; i++) {
        const ZonesPoint *point = &shape->points[i];

        if (!(point->x >= 0 && point->x <= 1 && point->y >= 0 && point->y <= 1)) {
            g_error("'%s': point %u is outside the picture", shape->name, i);
        }
    }
    if (!(shape->dwell_s >= 0 && shape->dwell_s <= 1e6)) {
        g_error("'%s' dwells %g s", shape->name, shape->dwell_s);
    }
    for (gchar **name = shape->classes; name != NULL && *name != NULL; name++) {
        check_name(*name);
    }
}

static void check_shapes(const ZonesShape *shapes, guint n, gboolean are_lines)
{
    if (n > ZONES_MAX_SHAPES) {
        g_error("%u shapes", n);
    }
    for (guint i = 0; i < n; i++) {
        check_shape(&shapes[i], are_lines);
        for (guint k = 0; k < i; k++) {
            if (strcmp(shapes[i].name, shapes[k].name) == 0) {
                g_error("two are called '%s'", shapes[i].name);
            }
        }
    }
}

// Takes the configuration. A track walks from corner to corner, where geometry is at its most
// delicate.
static void use(ZonesConfig *config)
{
    Zones *zones = zones_new();
    g_autoptr(GArray) events = g_array_new(FALSE, FALSE, sizeof(ZonesEvent));
    ZonesFrame frame = {.looked = TRUE, .lost_ns = 1};

    zones_set_config(zones, config);
    for (guint i = 0; i < config->n_areas + config->n_lines; i++) {
        const ZonesShape *shape =
            i < config->n_areas ? &config->areas[i] : &config->lines[i - config->n_areas];

        for (guint k = 0; k < shape->n_points; k++) {
            ZonesObject objects[] = {{.track = 1, .anchor = shape->points[k]},
                                     {.anchor = {0.5, 0.5}}};

            frame.pts_ns += G_GUINT64_CONSTANT(1000000000);
            zones_observe(zones, &frame, objects, G_N_ELEMENTS(objects), events);
        }
    }
    zones_free(zones);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree gchar *text = g_strndup((const gchar *)data, size);
    g_autoptr(GError) error = NULL;
    ZonesConfig *config = zones_config_parse(text, &error);

    if ((config == NULL) != (error != NULL)) {
        g_error("result and error disagree");
    }
    if (config != NULL) {
        check_shapes(config->areas, config->n_areas, FALSE);
        check_shapes(config->lines, config->n_lines, TRUE);
        use(config);
    } else if (strstr(error->message, "wanted ") == NULL ||
               strstr(error->message, ", found ") == NULL || strchr(error->message, '\n') != NULL ||
               !g_utf8_validate(error->message, -1, NULL)) {
        g_error("no message of one line that says what was wanted and what was found: %s",
                error->message);
    }
    return 0;
}
