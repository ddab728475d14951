// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdet check: goes through everything that a detection needs, and says how to mend what is
// missing.
#define _GNU_SOURCE // dladdr
#include "cli/cli.h"
#include "cli/setup.h"
#include "effdet/effdet.h"
#include "search.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define TEST_WIDTH 320
#define TEST_HEIGHT 240

enum state {
    STATE_OK,
    STATE_WARNING, // something lacks, but detection works without it
    STATE_MISSING, // detection does not work
};

struct finding {
    const char *name;
    enum state state;
    char *detail; // what was found
    char *fix;    // what to do; NULL when all is well
};

static void finding_clear(gpointer data)
{
    struct finding *finding = data;
    g_free(finding->detail);
    g_free(finding->fix);
}

// Takes detail and fix over.
static void add(GArray *findings, const char *name, enum state state, char *detail, char *fix)
{
    struct finding finding = {name, state, detail, fix};
    g_array_append_val(findings, finding);
}

static char *join(GPtrArray *texts)
{
    g_ptr_array_add(texts, NULL);
    char *text = g_strjoinv(", ", (char **)texts->pdata);
    g_ptr_array_set_size(texts, (int)texts->len - 1);
    return text;
}

// ---- checks ------------------------------------------------------------------------------------

static void check_loader(GArray *findings)
{
    static const char *const names[] = {"libvulkan.so.1", "libvulkan.so"};
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        void *loader = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (loader) {
            Dl_info info = {0};
            void *symbol = dlsym(loader, "vkGetInstanceProcAddr");
            bool known = symbol && dladdr(symbol, &info) && info.dli_fname;
            add(findings, "Vulkan loader", STATE_OK, g_strdup(known ? info.dli_fname : names[i]),
                NULL);
            dlclose(loader);
            return;
        }
    }
    add(findings, "Vulkan loader", STATE_MISSING, g_strdup(dlerror()),
        g_strdup("install it: apt install libvulkan1"));
}

static void check_drivers(GArray *findings)
{
    g_autofree char *origin = NULL;
    g_autoptr(GPtrArray) files = setup_driver_files(&origin);
    if (files->len > 0) {
        add(findings, "Vulkan drivers", STATE_OK, join(files), NULL);
    } else {
        add(findings, "Vulkan drivers", STATE_MISSING,
            g_strdup_printf("no driver file (*.json) in %s", origin),
            g_strdup(strchr(origin, '=') ? "unset the variable, or let it name a driver file"
                                         : "install the driver of your GPU, or Mesa's: apt install "
                                           "mesa-vulkan-drivers"));
    }
}

static bool check_devices(GArray *findings)
{
    g_autofree char *reason = NULL;
    g_autoptr(GPtrArray) devices = effdet_devices(&reason);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < devices->len; i++) {
        const EffdetDevice *device = devices->pdata[i];
        g_ptr_array_add(names, g_strdup_printf("%u: %s (%s, %s)", device->index, device->name,
                                               device->type, device->driver));
    }
    if (names->len > 0) {
        add(findings, "devices", STATE_OK, join(names), NULL);
    } else {
        add(findings, "devices", STATE_MISSING,
            g_strdup(reason ? reason : "no device with a compute queue"),
            g_strdup("mend what is missing above; a user must be in the groups video and render "
                     "to open a GPU"));
    }
    return names->len > 0;
}

static void check_plugin(GArray *findings)
{
    const char *name = "GStreamer plugin";
    g_autofree char *file = setup_plugin_file();
    g_autofree char *folder = file ? g_path_get_dirname(file) : NULL;
    enum inspect_result result = setup_inspect();
    if (result == INSPECT_FOUND) {
        add(findings, name, STATE_OK, g_strdup(file ? file : "found by gst-inspect-1.0"), NULL);
    } else if (result == INSPECT_NO_TOOL && file) {
        add(findings, name, STATE_WARNING,
            g_strdup_printf("%s; not tried, because gst-inspect-1.0 is not installed", file),
            g_strdup("apt install gstreamer1.0-tools"));
    } else if (file) {
        add(findings, name, STATE_WARNING, g_strdup_printf("%s is not found by GStreamer", file),
            g_strdup_printf("export GST_PLUGIN_PATH=%s; if that does not help, \"gst-inspect-1.0 "
                            "%s\" says why",
                            folder, file));
    } else {
        add(findings, name, STATE_WARNING, g_strdup("not found"),
            g_strdup("build it (it needs libgstreamer-plugins-base1.0-dev) and install it, or set "
                     "GST_PLUGIN_PATH to its folder"));
    }
}

static bool check_weights(GArray *findings)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = search_weights(NULL, NULL, NULL, &error);
    g_autoptr(GPtrArray) models = effdet_models();
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < models->len; i++) {
        const EffdetModel *model = models->pdata[i];
        if (model->path) {
            g_ptr_array_add(found, g_strdup_printf("%s: %s", model->name, model->path));
        }
    }
    if (path) {
        add(findings, "weights", STATE_OK, join(found), NULL);
    } else {
        add(findings, "weights", STATE_MISSING, g_strdup(error->message),
            g_strdup("install effdet again; \"effdet fetch d0\" brings another model"));
    }
    return path != NULL;
}

static EffdetResult *detect_once(GError **error)
{
    const EffdetEngineParams params = {.model = "person", .queue_depth = 1};
    EffdetEngine *engine = effdet_engine_new(&params, error);
    if (!engine) {
        return NULL;
    }
    g_autofree guint8 *pixels = g_malloc(TEST_WIDTH * TEST_HEIGHT * 3);
    for (guint i = 0; i < TEST_WIDTH * TEST_HEIGHT * 3; i++) {
        pixels[i] = (guint8)(i / 3 % TEST_WIDTH + i % 3 * 40);
    }
    const EffdetFrame frame = {
        .format = EFFDET_FORMAT_RGB,
        .width = TEST_WIDTH,
        .height = TEST_HEIGHT,
        .planes = {{pixels, TEST_WIDTH * 3}},
    };
    EffdetResult *result = NULL;
    if (effdet_engine_submit(engine, &frame, NULL, error) == EFFDET_OK) {
        if (effdet_engine_collect(engine, -1, &result, error) != EFFDET_OK) {
            result = NULL;
        }
    }
    effdet_engine_free(&engine);
    return result;
}

static void check_inference(GArray *findings, bool devices, bool weights)
{
    const char *name = "test inference";
    if (!devices || !weights) {
        add(findings, name, STATE_MISSING,
            g_strdup_printf("not tried without %s", devices ? "weights" : "a device"),
            g_strdup("mend what is missing above"));
        return;
    }
    g_autoptr(GError) error = NULL;
    EffdetResult *result = detect_once(&error);
    if (result) {
        add(findings, name, STATE_OK,
            g_strdup_printf("one frame in %.1f ms", (double)result->latency_us / 1e3), NULL);
        effdet_result_free(&result);
    } else {
        add(findings, name, STATE_MISSING, g_strdup(error ? error->message : "no result"),
            g_strdup("try another device, a newer driver, or EFFDET_DISABLE=float16,storage16"));
    }
}

// ---- output ------------------------------------------------------------------------------------

static void print_json(GArray *findings, bool ok)
{
    static const char *const states[] = {"ok", "warning", "missing"};
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    json_bool(json, "ok", ok);
    json_builder_set_member_name(json, "checks");
    json_builder_begin_array(json);
    for (guint i = 0; i < findings->len; i++) {
        const struct finding *finding = &g_array_index(findings, struct finding, i);
        json_builder_begin_object(json);
        json_string(json, "name", finding->name);
        json_string(json, "state", states[finding->state]);
        json_string(json, "detail", finding->detail);
        json_string(json, "fix", finding->fix);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
    cli_print_json(json, true);
}

static void print_text(GArray *findings)
{
    static const char *const states[] = {"ok", "warning", "MISSING"};
    for (guint i = 0; i < findings->len; i++) {
        const struct finding *finding = &g_array_index(findings, struct finding, i);
        printf("%-8s %-17s %s\n", states[finding->state], finding->name, finding->detail);
        if (finding->fix) {
            printf("%-8s %-17s -> %s\n", "", "", finding->fix);
        }
    }
}

int command_check(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print one JSON document", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = cli_context(
        NULL,
        "Finds out what works on this machine: Vulkan loader, drivers, devices, GStreamer\n"
        "plugin, weights, and one detection with the bundled model.",
        "For everything that is missing it says what to do. The exit status is 1 when something\n"
        "is missing without which nothing can be detected, else 0.\n");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!cli_parse(context, argc, argv)) {
        return EXIT_USAGE;
    }
    g_autoptr(GArray) findings = g_array_new(FALSE, FALSE, sizeof(struct finding));
    g_array_set_clear_func(findings, finding_clear);
    check_loader(findings);
    check_drivers(findings);
    bool devices = check_devices(findings);
    check_plugin(findings);
    bool weights = check_weights(findings);
    check_inference(findings, devices, weights);
    g_autoptr(GString) missing = g_string_new(NULL);
    for (guint i = 0; i < findings->len; i++) {
        const struct finding *finding = &g_array_index(findings, struct finding, i);
        if (finding->state == STATE_MISSING) {
            g_string_append_printf(missing, "%s%s", missing->len ? ", " : "", finding->name);
        }
    }
    if (json) {
        print_json(findings, missing->len == 0);
    } else {
        print_text(findings);
    }
    return missing->len == 0 ? EXIT_DONE : cli_fail("missing: %s", missing->str);
}
