// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// From comments in C to Markdown.
#include "comments.h"

#include <string.h>

struct _Comments {
    GHashTable *texts; // by name; lines without the leading " * "
};

// ---- reading ------------------------------------------------------------------------------------

// Takes the comment, from behind its opening to before its end.
static void add_comment(Comments *comments, const gchar *path, const gchar *start, gsize size)
{
    g_autofree gchar *inner = g_strndup(start, size);
    g_auto(GStrv) lines = g_strsplit(inner, "\n", -1);
    g_autoptr(GString) text = g_string_new(NULL);
    gchar *name = NULL;

    for (guint i = 1; lines[i] != NULL; i++) {
        const gchar *line = lines[i] + strspn(lines[i], " ");

        line += *line == '*';
        line += *line == ' ';
        if (name == NULL) {
            name = g_strdup(line);
            name[strlen(name) - g_str_has_suffix(name, ":")] = '\0';
        } else {
            g_string_append_printf(text, "%s\n", line);
        }
    }
    if (name == NULL || g_hash_table_contains(comments->texts, name)) {
        g_error("%s: a comment without a name, or a second one of %s", path, name);
    }
    g_hash_table_insert(comments->texts, name, g_strdup(text->str));
}

static void read_source(Comments *comments, const gchar *path)
{
    g_autofree gchar *text = NULL;
    const gchar *start, *end;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        g_error("cannot read %s", path);
    }
    for (start = text; (start = strstr(start, "/**\n")) != NULL; start = end) {
        start += strlen("/**");
        end = strstr(start, "*/");
        g_assert(end != NULL);
        add_comment(comments, path, start, (gsize)(end - start));
    }
}

static void read_folder(Comments *comments, const gchar *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const gchar *name;

    if (dir == NULL) {
        g_error("cannot read the folder %s", folder);
    }
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree gchar *path = g_build_filename(folder, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
            read_folder(comments, path);
        } else if (g_str_has_suffix(name, ".c")) {
            read_source(comments, path);
        }
    }
}

Comments *comments_read(const gchar *folder)
{
    Comments *comments = g_new0(Comments, 1);

    comments->texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    read_folder(comments, folder);
    return comments;
}

void comments_free(Comments *comments)
{
    g_hash_table_unref(comments->texts);
    g_free(comments);
}

// ---- Markdown -----------------------------------------------------------------------------------

// #GstEffdet:model is a link on the page of GstEffdet and a name elsewhere.
static gboolean replace_link(const GMatchInfo *match, GString *result, gpointer type)
{
    g_autofree gchar *owner = g_match_info_fetch(match, 1);
    g_autofree gchar *property = g_match_info_fetch(match, 2);

    if (*property == '\0') {
        g_string_append_printf(result, "`%s`", owner);
    } else if (strcmp(owner, type) == 0) {
        g_string_append_printf(result, "[`%s`](#%s)", property + 1, property + 1);
    } else {
        g_string_append_printf(result, "`%s%s`", owner, property);
    }
    return FALSE;
}

// Blocks come with an empty line, whether the comment has one or not.
static gchar *without_gaps(const gchar *text)
{
    g_autoptr(GRegex) gap = g_regex_new("\n{3,}", 0, 0, NULL);

    return g_regex_replace_literal(gap, text, -1, 0, "\n\n", 0, NULL);
}

static gchar *with_links(const gchar *line, const gchar *type)
{
    g_autoptr(GRegex) link = g_regex_new("#([A-Z][A-Za-z]+)(:[a-z0-9-]+)?", 0, 0, NULL);

    return g_regex_replace_eval(link, line, -1, 0, 0, replace_link, (gpointer)type, NULL);
}

gchar *comments_get(const Comments *comments, const gchar *name, const gchar *type, gchar **since)
{
    const gchar *text = g_hash_table_lookup(comments->texts, name);
    g_auto(GStrv) lines = text != NULL ? g_strsplit(text, "\n", -1) : NULL;
    g_autoptr(GString) page = g_string_new(NULL);
    gboolean in_block = FALSE;

    *since = NULL;
    for (guint i = 0; text != NULL && lines[i] != NULL; i++) {
        const gchar *line = lines[i];

        if (g_str_has_prefix(line, "Since: ")) {
            g_free(*since);
            *since = g_strdup(line + strlen("Since: "));
        } else if (strcmp(line, "|[") == 0) {
            gboolean shell = lines[i + 1] != NULL && g_str_has_prefix(lines[i + 1], "gst-launch");

            in_block = TRUE;
            g_string_append(page, shell ? "\n```sh\n" : "\n```\n");
        } else if (g_str_has_prefix(line, "]|")) {
            in_block = FALSE;
            g_string_append_printf(page, "```\n%s%s\n", line[2] != '\0' ? "\n" : "",
                                   line + 2 + (line[2] == ' '));
        } else if (!g_str_has_prefix(line, "@title:")) {
            g_autofree gchar *linked = in_block ? g_strdup(line) : with_links(line, type);

            g_string_append_printf(page, "%s\n", linked);
        }
    }
    return text != NULL ? without_gaps(g_strstrip(page->str)) : NULL;
}
