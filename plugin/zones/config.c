// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// JSON → ZonesConfig. Every check of what a user writes is here; the core takes it as it is.
#include "config.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

#define MAX_DEPTH 6 // { zones [ { polygon [ [ is 5
#define MAX_CLASSES 1024
#define MAX_DWELL_S 1e6

G_DEFINE_QUARK(effdet - zones - config - error, zones_config_error)

// Where in the document it reads, and the first error.
typedef struct {
    GString *path; // zones[0].polygon[2]
    GError **error;
} Reader;

G_GNUC_PRINTF(3, 4)
static gboolean fail(Reader *reader, const gchar *wanted, const gchar *found_format, ...)
{
    g_autofree gchar *found = NULL, *message = NULL, *valid = NULL;
    va_list args;

    va_start(args, found_format);
    found = g_strdup_vprintf(found_format, args);
    va_end(args);
    message = g_strdup_printf("%s%swanted %s, found %s", reader->path->str,
                              reader->path->len > 0 ? ": " : "", wanted, found);
    valid = g_utf8_make_valid(message, -1); // texts are cut at bytes
    g_set_error_literal(reader->error, ZONES_CONFIG_ERROR, 0, g_strdelimit(valid, "\r\n\t", ' '));
    return FALSE;
}

// What a node is, in the words of an error. (transfer full)
static gchar *describe(JsonNode *node)
{
    switch (JSON_NODE_TYPE(node)) {
    case JSON_NODE_OBJECT:
        return g_strdup("an object");
    case JSON_NODE_ARRAY:
        return g_strdup_printf("a list of %u", json_array_get_length(json_node_get_array(node)));
    case JSON_NODE_NULL:
        return g_strdup("null");
    default:
        break;
    }
    switch (json_node_get_value_type(node)) {
    case G_TYPE_STRING:
        return g_strdup_printf("the text \"%.60s\"", json_node_get_string(node));
    case G_TYPE_BOOLEAN:
        return g_strdup(json_node_get_boolean(node) ? "true" : "false");
    default:
        return g_strdup_printf("%g", json_node_get_double(node));
    }
}

static gboolean fail_node(Reader *reader, const gchar *wanted, JsonNode *node)
{
    g_autofree gchar *found = describe(node);

    return fail(reader, wanted, "%s", found);
}

static gsize enter_key(Reader *reader, const gchar *key)
{
    gsize before = reader->path->len;

    g_string_append_printf(reader->path, "%s%.60s", before > 0 ? "." : "", key);
    return before;
}

static gsize enter_index(Reader *reader, guint n)
{
    gsize before = reader->path->len;

    g_string_append_printf(reader->path, "[%u]", n);
    return before;
}

// The path stays as it is after an error, which ends the reading.
static void go_back(Reader *reader, gsize before)
{
    g_string_truncate(reader->path, before);
}

// ---- members ------------------------------------------------------------------------------------

static gboolean read_number(Reader *reader, JsonNode *node, double least, double most,
                            const gchar *wanted, double *number)
{
    if (!JSON_NODE_HOLDS_VALUE(node) || (json_node_get_value_type(node) != G_TYPE_INT64 &&
                                         json_node_get_value_type(node) != G_TYPE_DOUBLE)) {
        return fail_node(reader, wanted, node);
    }
    *number = json_node_get_double(node);
    return (*number >= least && *number <= most) || fail_node(reader, wanted, node);
}

static gboolean read_point(Reader *reader, JsonNode *node, ZonesPoint *point)
{
    JsonArray *pair = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    if (pair == NULL || json_array_get_length(pair) != 2) {
        return fail_node(reader, "a point [x, y]", node);
    }
    for (guint i = 0; i < 2; i++) {
        gsize before = enter_index(reader, i);

        if (!read_number(reader, json_array_get_element(pair, i), 0.0, 1.0,
                         "a number from 0 to 1 (parts of the picture)",
                         i == 0 ? &point->x : &point->y)) {
            return FALSE;
        }
        go_back(reader, before);
    }
    return TRUE;
}

static gboolean read_polygon(Reader *reader, JsonNode *node, ZonesShape *shape)
{
    JsonArray *list = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    guint n = list != NULL ? json_array_get_length(list) : 0;

    if (n < 3 || n > ZONES_MAX_POINTS) {
        return fail_node(reader, "a list of 3 to " G_STRINGIFY(ZONES_MAX_POINTS) " points [x, y]",
                         node);
    }
    shape->points = g_new0(ZonesPoint, n);
    shape->n_points = n;
    for (guint i = 0; i < n; i++) {
        gsize before = enter_index(reader, i);

        if (!read_point(reader, json_array_get_element(list, i), &shape->points[i])) {
            return FALSE;
        }
        go_back(reader, before);
    }
    return !zones_is_flat(shape->points, n) ||
           fail(reader, "points that surround an area", "%u points on one line", n);
}

static gboolean read_text(Reader *reader, JsonNode *node, const gchar *wanted, gchar **text)
{
    const gchar *found = NULL;

    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING) {
        found = json_node_get_string(node);
    }
    if (found == NULL || *found == '\0') {
        return fail_node(reader, wanted, node);
    }
    *text = g_strdup(found);
    return TRUE;
}

static gboolean read_classes(Reader *reader, JsonNode *node, ZonesShape *shape)
{
    const gchar *wanted = "a list of class names, or no such key for all";
    JsonArray *list = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    guint n = list != NULL ? json_array_get_length(list) : 0;

    if (n == 0 || n > MAX_CLASSES) {
        return fail_node(reader, wanted, node);
    }
    shape->classes = g_new0(gchar *, n + 1);
    for (guint i = 0; i < n; i++) {
        gsize before = enter_index(reader, i);

        if (!read_text(reader, json_array_get_element(list, i), "the name of a class",
                       &shape->classes[i])) {
            return FALSE;
        }
        go_back(reader, before);
    }
    return TRUE;
}

// Both ends, of which each key gives one.
static gboolean read_end(Reader *reader, JsonNode *node, ZonesShape *shape, guint n)
{
    if (shape->points == NULL) {
        shape->points = g_new0(ZonesPoint, 2);
    }
    shape->n_points++;
    return read_point(reader, node, &shape->points[n]);
}

static gboolean read_member(Reader *reader, const gchar *key, JsonNode *node, gboolean is_line,
                            ZonesShape *shape)
{
    if (strcmp(key, "name") == 0) {
        return read_text(reader, node, "a name", &shape->name);
    }
    if (strcmp(key, "classes") == 0) {
        return read_classes(reader, node, shape);
    }
    if (is_line && strcmp(key, "from") == 0) {
        return read_end(reader, node, shape, 0);
    }
    if (is_line && strcmp(key, "to") == 0) {
        return read_end(reader, node, shape, 1);
    }
    if (!is_line && strcmp(key, "polygon") == 0) {
        return read_polygon(reader, node, shape);
    }
    if (!is_line && strcmp(key, "dwell") == 0) {
        return read_number(reader, node, 0.0, MAX_DWELL_S, "seconds from 0 to 1000000",
                           &shape->dwell_s);
    }
    return fail(reader, is_line ? "name, from, to or classes" : "name, polygon, classes or dwell",
                "the key \"%.60s\"", key);
}

static gboolean read_shape(Reader *reader, JsonNode *node, gboolean is_line, ZonesShape *shape)
{
    JsonObjectIter iter;
    const gchar *key;
    JsonNode *member;

    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        return fail_node(
            reader,
            is_line ? "an object with name, from and to" : "an object with name and polygon", node);
    }
    json_object_iter_init_ordered(&iter, json_node_get_object(node));
    while (json_object_iter_next_ordered(&iter, &key, &member)) {
        gsize before = enter_key(reader, key);

        if (!read_member(reader, key, member, is_line, shape)) {
            return FALSE;
        }
        go_back(reader, before);
    }
    if (shape->name == NULL) {
        return fail(reader, "the key name", "none");
    }
    if (shape->n_points < 2) {
        return fail(reader, is_line ? "the keys from and to" : "the key polygon", "only others");
    }
    if (is_line && shape->points[0].x == shape->points[1].x &&
        shape->points[0].y == shape->points[1].y) {
        return fail(reader, "two ends in different places", "from and to in the same place");
    }
    return TRUE;
}

static gboolean read_shapes(Reader *reader, JsonNode *node, gboolean are_lines, ZonesShape *shapes,
                            guint *n_shapes)
{
    JsonArray *list = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    guint n = list != NULL ? json_array_get_length(list) : 0;

    if (list == NULL || n > ZONES_MAX_SHAPES) {
        return fail_node(reader, "a list of at most " G_STRINGIFY(ZONES_MAX_SHAPES) " objects",
                         node);
    }
    for (guint i = 0; i < n; i++) {
        gsize before = enter_index(reader, i);

        *n_shapes = i + 1;
        if (!read_shape(reader, json_array_get_element(list, i), are_lines, &shapes[i])) {
            return FALSE;
        }
        for (guint k = 0; k < i; k++) {
            if (strcmp(shapes[i].name, shapes[k].name) == 0) {
                return fail(reader, "a name of its own", "\"%.60s\" again, as at %u",
                            shapes[i].name, k);
            }
        }
        go_back(reader, before);
    }
    return TRUE;
}

static gboolean read_root(Reader *reader, JsonNode *root, ZonesConfig *config)
{
    JsonObjectIter iter;
    const gchar *key;
    JsonNode *member;

    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root)) {
        return fail(reader, "an object with zones and lines", "something else");
    }
    json_object_iter_init_ordered(&iter, json_node_get_object(root));
    while (json_object_iter_next_ordered(&iter, &key, &member)) {
        gboolean areas = strcmp(key, "zones") == 0, lines = strcmp(key, "lines") == 0;
        gsize before = enter_key(reader, key);

        if (!areas && !lines) {
            return fail(reader, "zones or lines", "the key \"%.60s\"", key);
        }
        if (!read_shapes(reader, member, lines, lines ? config->lines : config->areas,
                         lines ? &config->n_lines : &config->n_areas)) {
            return FALSE;
        }
        go_back(reader, before);
    }
    return TRUE;
}

// ---- text ---------------------------------------------------------------------------------------

// Of \uXXXX; G_MAXUINT where the text is none.
static guint code_unit(const gchar *text)
{
    guint unit = 0;

    if (text[0] != '\\' || text[1] != 'u') {
        return G_MAXUINT;
    }
    for (guint i = 2; i < 6; i++) {
        if (!g_ascii_isxdigit(text[i])) {
            return G_MAXUINT;
        }
        unit = unit * 16 + (guint)g_ascii_xdigit_value(text[i]);
    }
    return unit;
}

// Of what begins with a backslash; 0 = it is no character.
static gsize escape_length(const gchar *text)
{
    guint unit = code_unit(text), next;

    if (text[1] != 'u') {
        return text[1] != '\0' && strchr("\"\\/bfnrt", text[1]) != NULL ? 2 : 0;
    }
    if (unit >= 0xd800 && unit < 0xdc00) {
        next = code_unit(text + 6);
        return next >= 0xdc00 && next < 0xe000 ? 12 : 0;
    }
    return unit > 0 && unit <= 0xffff && !(unit >= 0xdc00 && unit < 0xe000) ? 6 : 0;
}

// json-glib reads more than JSON (comments, single quotes), takes what follows the document, loses
// the first of two (7 {}) and a text with a bad escape, and recurses without limit: this lets only
// one document of little depth with good texts through.
static gboolean check_text(Reader *reader, const gchar *text)
{
    const gchar *stray = NULL;
    guint depth = 0, line = 1;
    gboolean in_string = FALSE, ended = FALSE;

    for (const gchar *c = text; *c != '\0' && stray == NULL; c++) {
        line += *c == '\n';
        if (in_string) {
            if (*c == '\\') {
                gsize length = escape_length(c);

                if (length == 0) {
                    return fail(reader, "JSON", "in line %u: an escape that is no character", line);
                }
                c += length - 1;
            } else if (*c == '"') {
                in_string = FALSE;
            } else if ((guchar)*c < 0x20) {
                return fail(reader, "JSON", "in line %u: a control character in a text", line);
            }
        } else if (ended ? !g_ascii_isspace(*c)
                         : strchr("{}[]\" \t\r\n:,0123456789+-.eEtrufalsn", *c) == NULL) {
            stray = c;
        } else if (depth == 0 && strchr("{}[] \t\r\n", *c) == NULL) {
            return fail(reader, "an object with zones and lines", "in line %u: \"%.20s\"", line, c);
        } else if (*c == '"') {
            in_string = TRUE;
        } else if (*c == '{' || *c == '[') {
            if (++depth > MAX_DEPTH) {
                return fail(reader, "objects in lists in one object", "in line %u: more depth",
                            line);
            }
        } else if ((*c == '}' || *c == ']') && (depth == 0 || --depth == 0)) {
            ended = TRUE;
        }
    }
    return stray == NULL ||
           fail(reader, ended ? "one document" : "JSON", "in line %u: \"%.20s\"", line, stray);
}

// json-glib says "<data>:line:column: Parse error: reason", part of it in the user's language, and
// its parser has forgotten the place by then.
static gboolean fail_syntax(Reader *reader, const gchar *message)
{
    guint line, column;
    int prefix = 0;

    if (sscanf(message, "<data>:%u:%u:%*[^:]: %n", &line, &column, &prefix) < 2 || prefix == 0) {
        return fail(reader, "JSON", "%s", message);
    }
    return fail(reader, "JSON", "in line %u, column %u: %s", line, column, message + prefix);
}

static gboolean parse(Reader *reader, const gchar *text, ZonesConfig *config)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) cause = NULL;

    if (!g_utf8_validate(text, -1, NULL)) {
        return fail(reader, "JSON in UTF-8", "other bytes");
    }
    if (!check_text(reader, text)) {
        return FALSE;
    }
    if (!json_parser_load_from_data(parser, text, -1, &cause)) {
        return fail_syntax(reader, cause->message);
    }
    return read_root(reader, json_parser_get_root(parser), config);
}

ZonesConfig *zones_config_parse(const gchar *text, GError **error)
{
    g_autoptr(ZonesConfig) config = g_new0(ZonesConfig, 1);
    Reader reader = {.path = g_string_new(NULL), .error = error};
    gboolean ok = text[strspn(text, " \t\r\n")] == '\0' || parse(&reader, text, config);

    g_string_free(reader.path, TRUE);
    return ok ? g_steal_pointer(&config) : NULL;
}

// (transfer full)
static gchar *read_file(const gchar *path, GError **error)
{
    FILE *file = g_fopen(path, "rb");
    g_autofree gchar *text = g_malloc(ZONES_CONFIG_MAX_BYTES + 1);
    gsize size = file != NULL ? fread(text, 1, ZONES_CONFIG_MAX_BYTES + 1, file) : 0;
    gboolean failed = file == NULL || ferror(file);
    int saved = errno;

    if (file != NULL) {
        fclose(file);
    }
    if (failed) {
        g_set_error(error, ZONES_CONFIG_ERROR, 0, "%s: wanted a file to read, found: %s", path,
                    g_strerror(saved));
        return NULL;
    }
    if (size > ZONES_CONFIG_MAX_BYTES) {
        g_set_error(error, ZONES_CONFIG_ERROR, 0, "%s: wanted at most %d bytes, found more", path,
                    ZONES_CONFIG_MAX_BYTES);
        return NULL;
    }
    text[size] = '\0';
    if (strlen(text) != size) {
        g_set_error(error, ZONES_CONFIG_ERROR, 0, "%s: wanted text, found a zero byte", path);
        return NULL;
    }
    return g_steal_pointer(&text);
}

ZonesConfig *zones_config_load(const gchar *path, GError **error)
{
    g_autofree gchar *text = read_file(path, error);
    ZonesConfig *config = text != NULL ? zones_config_parse(text, error) : NULL;

    if (text != NULL && config == NULL) {
        g_prefix_error(error, "%s: ", path);
    }
    return config;
}
