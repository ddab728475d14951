// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Project files of zylo117: obj_list, anchors_scales, anchors_ratios, mean, std, compound_coef. The
// two lists of anchors are usually strings with Python expressions in them.
#include "weights/project.h"

#include "base/error.h"
#include "effdet/effdet.h"
#include "weights/expression.h"

#include <string.h>
#include <yaml.h>

#define MAX_PROJECT_BYTES (1 << 20)
#define MAX_CLASSES 65536

struct reader {
    struct project *project;
    yaml_document_t document;
    GError **error;
    bool failed;
};

static const char *scalar(const yaml_node_t *node)
{
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static void fail(struct reader *reader, const char *key, const char *wanted,
                 const yaml_node_t *found)
{
    const char *text = scalar(found);
    if (!reader->failed) {
        GError *cause = g_error_new(EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                                    "project %s: key %s: wanted %s, found %s%.60s%s",
                                    reader->project->path, key, wanted, text ? "\"" : "",
                                    text ? text : "another kind of value", text ? "\"" : "");
        error_propagate_line(reader->error, cause);
    }
    reader->failed = true;
}

// The list as text, whether the file has a string or a YAML list of numbers or of lists.
static bool flatten(struct reader *reader, const yaml_node_t *node, int depth, GString *out)
{
    if (scalar(node)) {
        g_string_append(out, scalar(node));
        return out->len < MAX_PROJECT_BYTES;
    }
    if (!node || node->type != YAML_SEQUENCE_NODE || depth > 1) {
        return false;
    }
    g_string_append_c(out, '[');
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        if (!flatten(reader, yaml_document_get_node(&reader->document, *item), depth + 1, out)) {
            return false;
        }
        g_string_append_c(out, ',');
    }
    g_string_append_c(out, ']');
    return true;
}

static bool read_list(struct reader *reader, const yaml_node_t *node, bool pairs,
                      double (*items)[2], int max, int *n)
{
    g_autoptr(GString) text = g_string_new(NULL);
    return flatten(reader, node, 0, text) && expression_list(text->str, pairs, items, max, n) &&
           *n > 0;
}

static void read_triple(struct reader *reader, const char *key, const yaml_node_t *node,
                        double out[3], bool *has)
{
    double items[3][2];
    int n;
    if (!read_list(reader, node, false, items, 3, &n) || n != 3 ||
        (out == reader->project->std &&
         !(items[0][0] > 0.0 && items[1][0] > 0.0 && items[2][0] > 0.0))) {
        fail(reader, key, "three numbers, as [0.485, 0.456, 0.406]", node);
        return;
    }
    for (int i = 0; i < 3; i++) {
        out[i] = items[i][0];
    }
    *has = true;
}

static void read_anchors(struct reader *reader, const char *key, const yaml_node_t *node,
                         bool pairs)
{
    struct project *project = reader->project;
    double items[MAX(MAX_SCALES, MAX_ASPECTS)][2];
    int n = 0;
    bool ok = read_list(reader, node, pairs, items, pairs ? MAX_ASPECTS : MAX_SCALES, &n);
    for (int i = 0; ok && i < n; i++) {
        ok = items[i][0] > 0.0 && (!pairs || items[i][1] > 0.0);
    }
    if (!ok) {
        fail(reader, key,
             pairs ? "a list of pairs of positive numbers, as [(1.0, 1.0), (1.4, 0.7)]"
                   : "a list of positive numbers, as [2 ** 0, 2 ** (1.0 / 3.0)]",
             node);
        return;
    }
    if (pairs) {
        memcpy(project->aspects, items, sizeof items[0] * n);
        project->num_aspects = n;
        return;
    }
    for (int i = 0; i < n; i++) {
        project->scales[i] = items[i][0];
    }
    project->num_scales = n;
}

static void read_labels(struct reader *reader, const yaml_node_t *node)
{
    g_autoptr(GPtrArray) labels = g_ptr_array_new_with_free_func(g_free);
    bool ok = node && node->type == YAML_SEQUENCE_NODE;
    for (yaml_node_item_t *item = ok ? node->data.sequence.items.start : NULL;
         ok && item < node->data.sequence.items.top; item++) {
        const char *label = scalar(yaml_document_get_node(&reader->document, *item));
        ok = label && labels->len < MAX_CLASSES;
        g_ptr_array_add(labels, g_strdup(label));
    }
    if (!ok || labels->len == 0) {
        fail(reader, "obj_list", "a list of class names", node);
        return;
    }
    g_strfreev(reader->project->labels);
    reader->project->num_labels = (int)labels->len;
    g_ptr_array_add(labels, NULL);
    reader->project->labels = (char **)g_ptr_array_steal(labels, NULL);
}

static void read_key(struct reader *reader, const char *key, const yaml_node_t *value)
{
    struct project *project = reader->project;
    double number;
    if (g_str_equal(key, "obj_list")) {
        read_labels(reader, value);
    } else if (g_str_equal(key, "mean")) {
        read_triple(reader, key, value, project->mean, &project->has_mean);
    } else if (g_str_equal(key, "std")) {
        read_triple(reader, key, value, project->std, &project->has_std);
    } else if (g_str_equal(key, "anchors_scales")) {
        read_anchors(reader, key, value, false);
    } else if (g_str_equal(key, "anchors_ratios")) {
        read_anchors(reader, key, value, true);
    } else if (g_str_equal(key, "compound_coef")) {
        if (!scalar(value) || !expression_number(scalar(value), &number) || number < 0 ||
            number > 8 || number != (int)number) {
            fail(reader, key, "a whole number from 0 to 8", value);
            return;
        }
        project->compound_coef = (int)number;
    }
}

static void read_document(struct reader *reader)
{
    const yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    if (!root || root->type != YAML_MAPPING_NODE) {
        fail(reader, "(root)", "a mapping of keys to values", root);
        return;
    }
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const char *key = scalar(yaml_document_get_node(&reader->document, pair->key));
        if (key) {
            read_key(reader, key, yaml_document_get_node(&reader->document, pair->value));
        }
    }
}

bool project_read(const char *path, struct project *project, GError **error)
{
    struct reader reader = {.project = project, .error = error};
    yaml_parser_t parser;
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;
    gsize length;
    *project = (struct project){.path = g_strdup(path), .compound_coef = -1};
    if (!g_file_get_contents(path, &text, &length, &cause) || length > MAX_PROJECT_BYTES) {
        g_set_error(error, EFFDET_ERROR, cause ? EFFDET_ERROR_NOT_FOUND : EFFDET_ERROR_BAD_FILE,
                    "project %s: wanted a readable YAML file of at most 1 MiB: %s", path,
                    cause ? cause->message : "it is larger");
        project_finish(project);
        return false;
    }
    if (!yaml_parser_initialize(&parser)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "project %s: no memory for its parser", path);
        project_finish(project);
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    if (yaml_parser_load(&parser, &reader.document)) {
        read_document(&reader);
        yaml_document_delete(&reader.document);
    } else {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                    "project %s: line %zu: wanted YAML, found an error: %s", path,
                    parser.problem_mark.line + 1, parser.problem ? parser.problem : "unknown");
        reader.failed = true;
    }
    yaml_parser_delete(&parser);
    if (reader.failed) {
        project_finish(project);
    }
    return !reader.failed;
}

const char *project_architecture(const struct project *project)
{
    static const char *const names[] = {"d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d7x"};
    return project->path && project->compound_coef >= 0 ? names[project->compound_coef] : NULL;
}

bool project_apply(const struct project *project, struct model *model, GError **error)
{
    struct anchors *anchors = &model->anchors;
    if (!project->path) {
        return true;
    }
    if (project->labels && project->num_labels != model->num_classes) {
        g_set_error(
            error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
            "project %s: key obj_list: wanted %d name%s, one for each class of the network, "
            "found %d",
            project->path, model->num_classes, model->num_classes == 1 ? "" : "s",
            project->num_labels);
        return false;
    }
    if (project->labels) {
        model_set_labels(model, (const char *const *)project->labels, project->num_labels);
    }
    for (int i = 0; i < 3; i++) {
        model->pre.mean[i] = project->has_mean ? 255.0 * project->mean[i] : model->pre.mean[i];
        model->pre.std[i] = project->has_std ? 255.0 * project->std[i] : model->pre.std[i];
    }
    if (project->num_scales > 0) {
        anchors->num_scales = project->num_scales;
        memcpy(anchors->octave, project->scales, sizeof project->scales);
    }
    if (project->num_aspects > 0) {
        anchors->num_aspects = project->num_aspects;
        memcpy(anchors->aspects, project->aspects, sizeof project->aspects);
    }
    return true;
}

void project_finish(struct project *project)
{
    g_clear_pointer(&project->path, g_free);
    g_clear_pointer(&project->labels, g_strfreev);
}
