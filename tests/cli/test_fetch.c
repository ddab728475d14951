// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Downloads from a server in this process that truncates, stalls, redirects, lies and refuses. No
// network is used.
#include "cli/fetch.h"
#include "fetch_server.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static char *command; // the effdet program

// ---- a folder and a file to fetch
// ---------------------------------------------------------------------------------

struct fixture {
    char *folder, *path, *part;
    struct published published;
    struct fetch_options options;
};

static void fixture_set_up(struct fixture *fixture, gconstpointer user_data)
{
    char *top = g_dir_make_tmp("effdet-fetch-XXXXXX", NULL);
    fixture->folder = g_build_filename(top, "a", "b", NULL);
    fixture->path = g_build_filename(fixture->folder, "weights.pth", NULL);
    fixture->part = g_strconcat(fixture->path, ".part", NULL);
    g_free(top);
    fixture->published = (struct published){.name = "w",
                                            .file = "weights.pth",
                                            .address = "https://example.invalid/a/weights.pth",
                                            .sha256 = server.sha256,
                                            .license = "MIT",
                                            .about = ""};
    fixture->options = (struct fetch_options){.folder = fixture->folder,
                                              .base = server.base,
                                              .timeout_s = 1,
                                              .attempts = 3,
                                              .pause_ms = 10};
    g_mutex_lock(&server.lock);
    server.mode = (enum mode)GPOINTER_TO_INT(user_data);
    server.requests = server.ranges = 0;
    g_mutex_unlock(&server.lock);
}

static void fixture_tear_down(struct fixture *fixture, gconstpointer user_data)
{
    g_unlink(fixture->path);
    g_unlink(fixture->part);
    char *folder = fixture->folder;
    for (int i = 0; i < 3; i++) {
        g_rmdir(folder);
        char *up = g_path_get_dirname(folder);
        g_free(folder);
        folder = up;
    }
    g_free(folder);
    g_free(fixture->path);
    g_free(fixture->part);
}

static void put(const char *path, const void *data, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_path_get_dirname(path);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_file_set_contents(path, data, (gssize)size, &error);
    g_assert_no_error(error);
}

static void check_fetched(struct fixture *fixture, unsigned requests, unsigned ranges)
{
    g_autoptr(GError) error = NULL;
    struct fetch_result result;
    bool ok = fetch_published(&fixture->published, &fixture->options, &result, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpstr(result.path, ==, fixture->path);
    g_assert_cmpstr(result.sha256, ==, server.sha256);
    g_assert_cmpuint(result.bytes, ==, server.size);
    g_assert_cmpint(result.was_there, ==, requests == 0);
    g_autofree char *data = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(fixture->path, &data, &size, NULL));
    g_assert_cmpmem(data, size, server.data, server.size);
    g_assert_false(g_file_test(fixture->part, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(server.requests, ==, requests);
    g_assert_cmpuint(server.ranges, ==, ranges);
    fetch_result_finish(&result);
}

// keeps_part: what came so far is left for the next call.
static void check_failed(struct fixture *fixture, const char *word, unsigned requests,
                         bool keeps_part)
{
    g_autoptr(GError) error = NULL;
    struct fetch_result result;
    g_assert_false(fetch_published(&fixture->published, &fixture->options, &result, &error));
    g_test_message("%s", error->message);
    if (!strstr(error->message, word) || strchr(error->message, '\n')) {
        g_test_message("expected one line with \"%s\"", word);
        g_test_fail();
    }
    g_assert_cmpuint(server.requests, ==, requests);
    g_assert_cmpint(g_file_test(fixture->part, G_FILE_TEST_EXISTS), ==, keeps_part);
    fetch_result_finish(&result);
}

static void test_plain(struct fixture *fixture, gconstpointer user_data)
{
    check_fetched(fixture, 1, 0);
    g_assert_nonnull(strstr(server.last_target, "GET /a/weights.pth "));
    server.requests = 0;
    check_fetched(fixture, 0, 0); // there already
    fixture->options.force = true;
    check_fetched(fixture, 1, 0);
}

static void test_resumed_within(struct fixture *fixture, gconstpointer user_data)
{
    check_fetched(fixture, 2, 1);
}

static void test_cut_without_ranges(struct fixture *fixture, gconstpointer user_data)
{
    put(fixture->part, server.data, 1000);
    check_fetched(fixture, 1, 1);
}

static void test_resumed_across(struct fixture *fixture, gconstpointer user_data)
{
    put(fixture->part, server.data, server.size / 2);
    check_fetched(fixture, 1, 1);
}

static void test_no_resume_without_checksum(struct fixture *fixture, gconstpointer user_data)
{
    fixture->published.sha256 = NULL;
    put(fixture->part, server.data, server.size / 2);
    check_fetched(fixture, 1, 0);
}

static void test_part_of_another_file(struct fixture *fixture, gconstpointer user_data)
{
    g_autofree char *junk = g_strnfill(5000, 'x');
    put(fixture->part, junk, 5000);
    check_fetched(fixture, 2, 1);
}

static void test_part_too_long(struct fixture *fixture, gconstpointer user_data)
{
    g_autofree char *junk = g_malloc0(server.size + 10);
    put(fixture->part, junk, server.size + 10);
    check_fetched(fixture, 2, 1);
}

static void test_damaged_file(struct fixture *fixture, gconstpointer user_data)
{
    put(fixture->path, server.data, server.size - 1);
    check_fetched(fixture, 1, 0);
}

static void test_busy(struct fixture *fixture, gconstpointer user_data)
{
    check_fetched(fixture, 2, 0);
}

static void test_wrong_range(struct fixture *fixture, gconstpointer user_data)
{
    put(fixture->part, server.data, 1000);
    check_fetched(fixture, 2, 1);
}

static void test_missing(struct fixture *fixture, gconstpointer user_data)
{
    put(fixture->path, "old", 3);
    check_failed(fixture, "HTTP 404", 1, false);
    g_assert_true(g_file_test(fixture->path, G_FILE_TEST_EXISTS)); // what was there stays
}

static void test_corrupt(struct fixture *fixture, gconstpointer user_data)
{
    check_failed(fixture, "SHA-256", 1, false);
    g_assert_false(g_file_test(fixture->path, G_FILE_TEST_EXISTS));
}

static void test_page(struct fixture *fixture, gconstpointer user_data)
{
    check_failed(fixture, "web page", 1, false);
}

static void test_wrong_size(struct fixture *fixture, gconstpointer user_data)
{
    fixture->published.megabytes = 16;
    check_failed(fixture, "about 16 MB", 1, false);
    server.mode = MODE_HUGE;
    server.requests = 0;
    fixture->published.megabytes = 0;
    check_failed(fixture, "3221225472 bytes", 1, false);
}

static void test_unreachable(struct fixture *fixture, gconstpointer user_data)
{
    fixture->options.base = "http://127.0.0.1:1";
    check_failed(fixture, "http://127.0.0.1:1/a/weights.pth", 0, false);
    fixture->options.base = "nonsense";
    check_failed(fixture, "is no address", 0, false);
}

static void test_locked(struct fixture *fixture, gconstpointer user_data)
{
    put(fixture->part, "", 0);
    int fd = g_open(fixture->part, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
    check_failed(fixture, "another effdet fetch", 0, true);
    close(fd);
    check_fetched(fixture, 1, 0);
}

static void test_no_folder(struct fixture *fixture, gconstpointer user_data)
{
    put(fixture->folder, "", 0); // a file where the folder should be
    check_failed(fixture, fixture->folder, 0, false);
    g_unlink(fixture->folder);
}

// The request goes to the proxy with the whole address.
static void test_proxy(struct fixture *fixture, gconstpointer user_data)
{
    g_setenv("http_proxy", server.base, TRUE);
    g_setenv("no_proxy", "localhost,.local", TRUE);
    fixture->options.base = "http://example.invalid";
    check_fetched(fixture, 1, 0);
    g_assert_nonnull(strstr(server.last_target, "GET http://example.invalid/a/weights.pth "));
    g_unsetenv("http_proxy");
    g_unsetenv("no_proxy");
}

// ---- the command
// --------------------------------------------------------------------------------------------------

static int run(const char *arguments, char **out, char **err)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *line = g_strconcat(command, " fetch ", arguments, NULL);
    int status;
    g_spawn_command_line_sync(line, out, err, &status, &error);
    g_assert_no_error(error);
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void check_run(const char *arguments, int expected, const char *word)
{
    g_autofree char *out = NULL, *err = NULL;
    int status = run(arguments, &out, &err);
    g_test_message("fetch %s: %d, %s", arguments, status, err);
    g_assert_cmpint(status, ==, expected);
    g_assert_nonnull(strstr(expected ? err : out, word));
    if (expected) {
        g_assert_cmpint(strchr(err, '\n') - err, ==, (gssize)strlen(err) - 1);
    } else {
        g_assert_cmpstr(err, ==, ""); // no bar without a terminal
    }
}

static void test_command(struct fixture *fixture, gconstpointer user_data)
{
    g_setenv("XDG_DATA_HOME", fixture->folder, TRUE);
    g_setenv("EFFDET_FETCH_BASE", server.base, TRUE);
    check_run("", 2, "wanted the name");
    check_run("--nonsense", 2, "nonsense");
    check_run("--list d0", 2, "no name");
    check_run("nosuchmodel", 1, "nosuchmodel");
    check_run("d0", 1, "about 16 MB"); // the server has something smaller
    check_run("--help", 0, "EFFDET_FETCH_BASE");
    check_run("--list", 0, "lite3x");
    g_setenv("EFFDET_FETCH_BASE", "ftp://x", TRUE);
    check_run("d0", 2, "ftp://x");
    g_unsetenv("EFFDET_FETCH_BASE");
    g_autofree char *out = NULL, *err = NULL;
    g_assert_cmpint(run("--list --json", &out, &err), ==, 0);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_assert_true(json_parser_load_from_data(parser, out, -1, NULL));
    JsonArray *models =
        json_object_get_array_member(json_node_get_object(json_parser_get_root(parser)), "models");
    unsigned count;
    const struct published *all = published_all(&count);
    g_assert_cmpuint(json_array_get_length(models), ==, count);
    g_assert_cmpstr(json_object_get_string_member(json_array_get_object_element(models, 0), "name"),
                    ==, all[0].name);
    g_autofree char *models_folder = g_build_filename(fixture->folder, "effdet", "models", NULL);
    g_autofree char *effdet_folder = g_path_get_dirname(models_folder);
    g_rmdir(models_folder);
    g_rmdir(effdet_folder);
}

// What came stays for the next call when the server gives up for good.
static void test_part_stays(struct fixture *fixture, gconstpointer user_data)
{
    fixture->options.attempts = 1;
    check_failed(fixture, "bytes", 1, true);
    g_mutex_lock(&server.lock);
    server.requests = 1;
    g_mutex_unlock(&server.lock);
    check_fetched(fixture, 2, 1);
}

static void test_catalogue(void)
{
    unsigned count;
    const struct published *all = published_all(&count);
    g_assert_cmpuint(count, >=, 30);
    for (unsigned i = 0; i < count; i++) {
        g_assert_true(g_str_has_prefix(all[i].address, "https://"));
        bool archive = g_str_has_prefix(all[i].name, "automl-");
        g_assert_true(archive ? g_str_has_suffix(all[i].file, strrchr(all[i].address, '.'))
                              : g_str_has_suffix(all[i].file, ".pth"));
        for (unsigned j = 0; j < i; j++) { // one folder holds them all
            g_assert_cmpstr(all[i].file, !=, all[j].file);
            g_assert_cmpstr(all[i].address, !=, all[j].address);
        }
        g_assert_true(published_find(all[i].name) == &all[i]);
        g_assert_true(published_find(all[i].file) == &all[i]);
        if (all[i].sha256) {
            g_assert_nonnull(strstr(all[i].address, all[i].sha256));
        }
    }
    g_assert_cmpstr(published_find("tf_efficientdet_lite4")->name, ==, "lite4");
    g_assert_cmpstr(published_find("efficientdet-d7x")->name, ==, "d7x");
    g_assert_cmpstr(published_find("automl-d1_ap")->file, ==, "efficientdet-d1-advprop.tar.gz");
    g_assert_cmpstr(published_find("efficientdet-lite0.tgz")->name, ==, "automl-lite0");
    g_assert_cmpstr(published_find("resdet50")->file, ==, "resdet50-08676892.pth");
    g_assert_null(published_find("d8"));
}

#define ADD(path, mode, function)                                                                  \
    g_test_add(path, struct fixture, GINT_TO_POINTER(mode), fixture_set_up, function,              \
               fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    command = argv[1];
    server_run();
    g_test_add_func("/fetch/catalogue", test_catalogue);
    ADD("/fetch/plain", MODE_PLAIN, test_plain);
    ADD("/fetch/cut", MODE_CUT, test_resumed_within);
    ADD("/fetch/part-stays", MODE_CUT, test_part_stays);
    ADD("/fetch/stall", MODE_STALL, test_resumed_within);
    ADD("/fetch/changed", MODE_CHANGED, test_resumed_within);
    ADD("/fetch/no-ranges", MODE_NO_RANGES, test_cut_without_ranges);
    ADD("/fetch/resumed", MODE_PLAIN, test_resumed_across);
    ADD("/fetch/no-checksum", MODE_PLAIN, test_no_resume_without_checksum);
    ADD("/fetch/part-of-another-file", MODE_PLAIN, test_part_of_another_file);
    ADD("/fetch/part-too-long", MODE_PLAIN, test_part_too_long);
    ADD("/fetch/damaged-file", MODE_PLAIN, test_damaged_file);
    ADD("/fetch/chunked", MODE_CHUNKED, test_damaged_file);
    ADD("/fetch/busy", MODE_BUSY, test_busy);
    ADD("/fetch/wrong-range", MODE_WRONG_RANGE, test_wrong_range);
    ADD("/fetch/redirect", MODE_REDIRECT, test_busy);
    ADD("/fetch/missing", MODE_MISSING, test_missing);
    ADD("/fetch/corrupt", MODE_CORRUPT, test_corrupt);
    ADD("/fetch/page", MODE_PAGE, test_page);
    ADD("/fetch/wrong-size", MODE_PLAIN, test_wrong_size);
    ADD("/fetch/unreachable", MODE_PLAIN, test_unreachable);
    ADD("/fetch/locked", MODE_PLAIN, test_locked);
    ADD("/fetch/no-folder", MODE_PLAIN, test_no_folder);
    ADD("/fetch/proxy", MODE_PLAIN, test_proxy);
    ADD("/fetch/command", MODE_PLAIN, test_command);
    return g_test_run();
}
