// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdet devices: the Vulkan devices that can run the engine.
#include "cli/cli.h"
#include "effdet/effdet.h"

#include <stdio.h>

static void print_json(GPtrArray *devices)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    json_builder_set_member_name(json, "devices");
    json_builder_begin_array(json);
    for (guint i = 0; i < devices->len; i++) {
        const EffdetDevice *device = devices->pdata[i];
        json_builder_begin_object(json);
        json_int(json, "index", device->index);
        json_string(json, "name", device->name);
        json_string(json, "type", device->type);
        json_string(json, "driver", device->driver);
        json_string(json, "uuid", device->uuid);
        json_string(json, "class", device->device_class);
        json_strings(json, "features", (const char *const *)device->features);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
    cli_print_json(json, true);
}

static void print_text(GPtrArray *devices)
{
    for (guint i = 0; i < devices->len; i++) {
        const EffdetDevice *device = devices->pdata[i];
        g_autofree char *features = g_strjoinv(" ", device->features);
        printf("%u  %s\n", device->index, device->name);
        printf("   type     %s (kernel class %s)\n", device->type, device->device_class);
        printf("   driver   %s\n", device->driver);
        printf("   uuid     %s\n", device->uuid);
        printf("   features %s\n", features[0] ? features : "none");
    }
}

int command_devices(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print one JSON document", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context =
        cli_context(NULL, "Lists the Vulkan devices with a compute queue.",
                    "The index, the UUID or a part of the name is what --device takes. Without a\n"
                    "device the list is empty, the reason is on stderr, and the exit status is 0.\n"
                    "EFFDET_DISABLE=feature,... hides features from the engine.\n");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!cli_parse(context, argc, argv)) {
        return EXIT_USAGE;
    }
    g_autofree char *reason = NULL;
    g_autoptr(GPtrArray) devices = effdet_devices(&reason);
    if (json) {
        print_json(devices);
    } else {
        print_text(devices);
    }
    if (devices->len == 0) {
        cli_fail("%s", reason ? reason : "no Vulkan device with a compute queue");
    }
    return EXIT_DONE;
}
