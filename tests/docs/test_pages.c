// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The pages of examples/docs/elements say what the built plugin registers. With --write it writes
// them instead.
#include "describe.h"
#include "specimen.h"

#include <glib/gstdio.h>
#include <string.h>

static const gchar *folder;

// ---- pages --------------------------------------------------------------------------------------

// Other names that the plugin registers the factory's type under; NULL without any. (transfer full)
static gchar *aliases_of(GList *features, GstElementFactory *factory)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (GList *item = features; item != NULL; item = item->next) {
        if (item->data != factory && gst_element_factory_get_element_type(item->data) ==
                                         gst_element_factory_get_element_type(factory)) {
            g_string_append_printf(names, "%s`%s`", names->len > 0 ? ", " : "",
                                   GST_OBJECT_NAME(item->data));
        }
    }
    return names->len > 0 ? g_strdup(names->str) : NULL;
}

// An alias has no page: of several names, an element's own is the one that is its type's.
static gboolean is_own_name(GstElementFactory *factory)
{
    g_autofree gchar *type = g_strconcat("Gst", GST_OBJECT_NAME(factory), NULL);

    return g_ascii_strcasecmp(type, g_type_name(gst_element_factory_get_element_type(factory))) ==
           0;
}

// File names and texts of all pages. (transfer full)
static GHashTable *make_pages(void)
{
    g_autofree gchar *sources = g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "plugin", NULL);
    g_autoptr(Comments) comments = comments_read(sources);
    g_autoptr(GError) error = NULL;
    GstPlugin *plugin = gst_plugin_load_file(g_getenv("EFFDET_PLUGIN"), &error);
    GHashTable *pages = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    GList *features;

    g_assert_no_error(error);
    features = gst_registry_get_feature_list_by_plugin(gst_registry_get(), "effdet");
    for (GList *item = features; item != NULL; item = item->next) {
        item->data = gst_plugin_feature_load(item->data);
    }
    for (GList *item = features; item != NULL; item = item->next) {
        g_autofree gchar *aliases = aliases_of(features, item->data);

        if (aliases == NULL || is_own_name(item->data)) {
            g_hash_table_insert(pages, g_strdup_printf("%s.md", GST_OBJECT_NAME(item->data)),
                                describe_element(item->data, aliases, comments));
        }
    }
    gst_plugin_feature_list_free(features);
    gst_object_unref(plugin);
    return pages;
}

// ---- comparison ---------------------------------------------------------------------------------

// "line N: 'kept', but the build says 'found'" of the first line that differs. (transfer full)
static gchar *difference(const gchar *kept, const gchar *found)
{
    g_auto(GStrv) a = g_strsplit(kept, "\n", -1), b = g_strsplit(found, "\n", -1);
    guint i;

    for (i = 0; a[i] != NULL && g_strcmp0(a[i], b[i]) == 0; i++) {
    }
    return g_strdup_printf("line %u: '%s', but the build says '%s'", i + 1,
                           a[i] != NULL ? a[i] : "its end", b[i] != NULL ? b[i] : "that it ends");
}

static void test_pages(void)
{
    g_autoptr(GHashTable) pages = make_pages();
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const gchar *name;
    guint n = 0;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree gchar *path = g_build_filename(folder, name, NULL), *kept = NULL, *why = NULL;
        const gchar *page = g_hash_table_lookup(pages, name);

        if (page == NULL) {
            g_error("%s: no element of this name is registered: remove the page", path);
        }
        g_assert_true(g_file_get_contents(path, &kept, NULL, NULL));
        if (strcmp(kept, page) != 0) {
            why = difference(kept, page);
            g_error("%s, %s: renew it with ninja -C BUILD docs", path, why);
        }
        n++;
    }
    if (n != g_hash_table_size(pages)) {
        g_error("%s holds %u pages, and %u elements are registered: ninja -C BUILD docs", folder, n,
                g_hash_table_size(pages));
    }
}

static int write_pages(void)
{
    g_autoptr(GHashTable) pages = make_pages();
    GHashTableIter iter;
    gpointer name, text;

    g_hash_table_iter_init(&iter, pages);
    while (g_hash_table_iter_next(&iter, &name, &text)) {
        g_autofree gchar *path = g_build_filename(folder, name, NULL);
        g_autoptr(GError) error = NULL;

        if (!g_file_set_contents(path, text, -1, &error)) {
            g_printerr("%s\n", error->message);
            return 1;
        }
    }
    return 0;
}

// ---- the form -----------------------------------------------------------------------------------

static void test_form(void)
{
    g_autofree gchar *sources = g_dir_make_tmp("effdet-docs-XXXXXX", NULL);
    g_autofree gchar *path = g_build_filename(sources, "specimen.c", NULL), *page = NULL;
    GstElementFactory *factory = specimen_register();

    g_assert_true(g_file_set_contents(path, specimen_source, -1, NULL));
    {
        g_autoptr(Comments) comments = comments_read(sources);

        page = describe_element(factory, "`other`", comments);
    }
    if (strcmp(page, specimen_page) != 0) {
        g_autofree gchar *why = difference(specimen_page, page);

        g_error("%s, in:\n%s", why, page);
    }
    gst_object_unref(factory);
    g_remove(path);
    g_rmdir(sources);
}

int main(int argc, char **argv)
{
    gboolean is_writing = argc == 3 && strcmp(argv[1], "--write") == 0;
    int status;

    folder = argv[argc - 1];
    if (is_writing) {
        gst_init(NULL, NULL);
        return write_pages();
    }
    g_test_init(&argc, &argv, NULL);
    gst_init(NULL, NULL);
    g_test_add_func("/docs/form", test_form);
    g_test_add_func("/docs/pages", test_pages);
    status = g_test_run();
    gst_deinit();
    return status;
}
