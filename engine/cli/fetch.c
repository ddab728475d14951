// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdet fetch: brings published weights into the user's model folder. The only subcommand that
// uses a network.
#include "cli/fetch.h"

#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_S 30
#define ATTEMPTS 5
#define PAUSE_MS 500
#define PROGRESS_INTERVAL_US 100000
#define BAR_WIDTH 30

struct progress {
    const char *name;
    gint64 last_us;
    bool drawn;
};

static void draw_progress(uint64_t done, uint64_t total, void *user_data)
{
    struct progress *progress = user_data;
    gint64 now = g_get_monotonic_time();
    if (now - progress->last_us < PROGRESS_INTERVAL_US && done != total) {
        return;
    }
    progress->last_us = now;
    progress->drawn = true;
    if (total) {
        int filled = (int)(BAR_WIDTH * done / total);
        g_printerr("\r%s [%.*s%*s] %5.1f of %.1f MB ", progress->name, filled,
                   "##############################", BAR_WIDTH - filled, "", (double)done / 1e6,
                   (double)total / 1e6);
    } else {
        g_printerr("\r%s %5.1f MB ", progress->name, (double)done / 1e6);
    }
}

static char *model_folder(void)
{
    return g_build_filename(g_get_user_data_dir(), "effdet", "models", NULL);
}

static void json_published(JsonBuilder *json, const struct published *published)
{
    json_string(json, "name", published->name);
    json_string(json, "file", published->file);
    json_string(json, "address", published->address);
    json_string(json, "sha256_prefix", published->sha256);
    json_int(json, "megabytes", published->megabytes);
    json_string(json, "license", published->license);
    json_string(json, "about", published->about);
}

static int list(const char *folder, bool as_json)
{
    unsigned count;
    const struct published *all = published_all(&count);
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    json_string(json, "folder", folder);
    json_builder_set_member_name(json, "models");
    json_builder_begin_array(json);
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *path = g_build_filename(folder, all[i].file, NULL);
        bool there = g_file_test(path, G_FILE_TEST_IS_REGULAR);
        json_builder_begin_object(json);
        json_published(json, &all[i]);
        json_string(json, "path", there ? path : NULL);
        json_builder_end_object(json);
        if (!as_json) {
            g_autofree char *size =
                all[i].megabytes ? g_strdup_printf("%u MB", all[i].megabytes) : g_strdup("");
            printf("%-16s %7s  %-13s  SHA-256 %-9s %s%s\n", all[i].name, size, all[i].license,
                   all[i].sha256 ? all[i].sha256 : "unknown", all[i].about,
                   there ? " (fetched)" : "");
        }
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
    if (as_json) {
        cli_print_json(json, true);
    }
    return EXIT_DONE;
}

static void report(const struct published *published, const struct fetch_result *result,
                   JsonBuilder *json)
{
    json_builder_begin_object(json);
    json_published(json, published);
    json_string(json, "path", result->path);
    json_int(json, "bytes", (gint64)result->bytes);
    json_string(json, "sha256", result->sha256);
    json_bool(json, "was_there", result->was_there);
    json_builder_end_object(json);
}

static int fetch_all(char **names, struct fetch_options *options, bool as_json)
{
    int status = EXIT_DONE;
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    json_builder_set_member_name(json, "fetched");
    json_builder_begin_array(json);
    for (char **name = names; *name; name++) {
        g_autoptr(GError) error = NULL;
        const struct published *published = published_find(*name);
        if (!published) {
            status = cli_fail("no published weights are known for \"%s\"; \"effdet fetch --list\" "
                              "shows what there is",
                              *name);
            continue;
        }
        struct progress progress = {.name = published->name};
        struct fetch_result result;
        options->user_data = &progress;
        bool ok = fetch_published(published, options, &result, &error);
        if (progress.drawn) {
            g_printerr("\n");
        }
        if (!ok) {
            status = cli_fail("%s", error->message);
        } else {
            report(published, &result, json);
            if (!as_json) {
                printf("%s%s\n  licence %s, SHA-256 %s%s\n", result.path,
                       result.was_there ? " (was there)" : "", published->license, result.sha256,
                       published->sha256 ? "" : " (none is published to compare with)");
            }
        }
        fetch_result_finish(&result);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
    if (as_json) {
        cli_print_json(json, true);
    }
    return status;
}

static const char description[] =
    "The files go to $XDG_DATA_HOME/effdet/models (~/.local/share/effdet/models), where --model "
    "finds\n"
    "them. A file that is there and sound is not fetched again. An interrupted download goes on "
    "where\n"
    "it stopped, and nothing takes a file's name before it was checked: its SHA-256 as far as one "
    "is\n"
    "published, and that it holds tensors. The licence of each file is its authors' (see --list).\n"
    "\n"
    "Environment:\n"
    "  EFFDET_FETCH_BASE         scheme and host of a mirror, in place of those of --list\n"
    "  http_proxy, https_proxy, all_proxy, no_proxy\n"
    "                            as usual\n";

int command_fetch(int argc, char **argv)
{
    gboolean show_list = FALSE, as_json = FALSE, force = FALSE;
    g_auto(GStrv) names = NULL;
    const GOptionEntry entries[] = {
        {"list", 0, 0, G_OPTION_ARG_NONE, &show_list, "show what can be fetched", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "print one JSON document", NULL},
        {"force", 0, 0, G_OPTION_ARG_NONE, &force, "fetch again what is there", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context =
        cli_context("NAME...", "Brings published weights into the model folder.", description);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!cli_parse(context, argc, argv)) {
        return EXIT_USAGE;
    }
    g_autofree char *folder = model_folder();
    if (show_list) {
        return names ? cli_usage("--list takes no name") : list(folder, as_json);
    }
    if (!names) {
        return cli_usage("wanted the name of a model");
    }
    const char *base = g_getenv("EFFDET_FETCH_BASE");
    base = base && *base ? base : NULL;
    if (base && !g_str_has_prefix(base, "http://") && !g_str_has_prefix(base, "https://")) {
        return cli_usage("EFFDET_FETCH_BASE=%s: wanted http://HOST or https://HOST", base);
    }
    struct fetch_options options = {.folder = folder,
                                    .base = base,
                                    .force = force,
                                    .timeout_s = TIMEOUT_S,
                                    .attempts = ATTEMPTS,
                                    .pause_ms = PAUSE_MS,
                                    .progress =
                                        isatty(STDERR_FILENO) && !as_json ? draw_progress : NULL};
    return fetch_all(names, &options, as_json);
}
