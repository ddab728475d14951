// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Which architecture a weights file holds and what the model knows about itself. Sources, each
// weaker than the next: the structure of the tensors with defaults for what they do not show, the
// file's name, metadata, a zylo117 project, the caller's options.
#include "weights/recognise.h"

#include "base/error.h"
#include "effdet/effdet.h"
#include "weights/project.h"

#include <string.h>

const char *recognise_naming(const struct container *container)
{
    return naming_name(naming_detect(container));
}

// What tensors cannot tell apart is equal here: D6 and D7, tf_efficientdet_d4 and efficientdet_d4.
static bool same_structure(const struct arch *a, const struct arch *b)
{
    return a->backbone == b->backbone && a->fpn_channels == b->fpn_channels &&
           a->fpn_cells == b->fpn_cells && a->head_repeats == b->head_repeats &&
           a->max_level == b->max_level && a->layout == b->layout &&
           (a->fusion == FUSION_SUM) == (b->fusion == FUSION_SUM) &&
           (a->quad_fusion == FUSION_SUM) == (b->quad_fusion == FUSION_SUM) &&
           a->redundant_bias == b->redundant_bias && a->dense == b->dense;
}

// The table's architecture whose name begins the file's name, the longest one;
// "efficientdet-d7" counts as the official D7.
static const struct arch *arch_of_file(const char *path)
{
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *lower = g_ascii_strdown(base, -1);
    const struct arch *best = NULL;
    for (gsize length = strlen(lower); length > 1 && !best; length--) {
        if (!g_ascii_isalnum(lower[length])) {
            g_autofree char *head = g_strndup(lower, length);
            best = arch_find(head);
        }
    }
    return best;
}

// Exact matches in the table; the wished one, the one of the file's name, or the first of them.
static const struct arch *choose_exact(const struct arch *found, const struct arch *wish,
                                       const struct arch *hint)
{
    const struct arch *first = NULL;
    int n;
    const struct arch *table = arch_table(&n);
    if (wish && same_structure(wish, found)) {
        return wish;
    }
    if (hint && same_structure(hint, found)) {
        return hint;
    }
    for (int i = n - 1; i >= 0; i--) {
        if (same_structure(&table[i], found)) {
            first = &table[i];
        }
    }
    return first;
}

// The table's entry that a network of its own structure starts from: same backbone, and the same
// habit of redundant biases, which tells rwightman's own networks from the ported ones.
static const struct arch *choose_base(const struct arch *found)
{
    const struct arch *base = NULL;
    int n;
    const struct arch *table = arch_table(&n);
    for (int i = 0; i < n; i++) {
        if (table[i].backbone != found->backbone) {
            continue;
        }
        if (table[i].redundant_bias == found->redundant_bias) {
            return &table[i];
        }
        base = base ? base : &table[i];
    }
    return base;
}

static struct arch merge(const struct arch *base, const struct arch *found)
{
    struct arch arch = *base;
    arch.fpn_channels = found->fpn_channels;
    arch.fpn_cells = found->fpn_cells;
    arch.head_repeats = found->head_repeats;
    arch.max_level = found->max_level;
    arch.layout = found->layout;
    // fast fusion is the default for edge weights, as nothing in a file tells it from softmax
    arch.fusion = found->fusion;
    arch.quad_fusion = found->quad_fusion;
    arch.head_bn_level_first = found->head_bn_level_first;
    arch.head_per_level = found->head_per_level;
    if (base->redundant_bias && !found->redundant_bias) { // rwightman's own habits (spec 1.9)
        arch.backbone_pad = arch.pad = PAD_SYMMETRIC;
        arch.backbone_bn_eps = 1e-5;
    }
    arch.redundant_bias = found->redundant_bias;
    arch.dense = found->dense;
    return arch;
}

static bool wished_arch(const char *name, const char *source, const struct arch **wish,
                        GError **error)
{
    const struct arch *arch = name ? arch_find(name) : NULL;
    if (name && !arch) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
                    "%s: wanted a known architecture such as tf_efficientdet_d0, found \"%s\"",
                    source, name);
        return false;
    }
    *wish = arch ? arch : *wish;
    return true;
}

static bool choose_arch(const struct container *container, const struct structure *structure,
                        const struct arch *wish, struct arch *arch, GError **error)
{
    const struct arch *found = &structure->arch;
    const char *folder = container_folder(container);
    const struct arch *hint = arch_of_file(container_path(container));
    const struct arch *exact =
        choose_exact(found, wish, hint || !folder ? hint : arch_of_file(folder));
    const struct arch *base = exact ? exact : choose_base(found);
    if (wish && exact != wish && (exact || wish->backbone != found->backbone)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
                    "%s: wanted weights of %s, found those of %s; name the model that fits or give "
                    "another file",
                    container_path(container), wish->name, base->name);
        return false;
    }
    *arch = merge(wish ? wish : base, found);
    return true;
}

// "tf_efficientdet_d0_ap…" as rwightman names them; TensorFlow's own have "advprop" in the name of
// the file, of its folder or of that one's.
static bool is_adversarial(const struct container *container, const struct names *names)
{
    g_autofree char *whole = g_canonicalize_filename(container_path(container), NULL);
    g_autofree char *base = g_path_get_basename(whole);
    const char *at = strstr(base, "_ap");
    if (g_str_has_prefix(base, "tf_efficientdet_d") && at && !g_ascii_isalnum(at[3])) {
        return true;
    }
    g_auto(GStrv) parts = g_strsplit(whole, G_DIR_SEPARATOR_S, -1);
    int n = (int)g_strv_length(parts);
    const char *folder = container_folder(container);
    bool named = folder && strstr(folder, "advprop");
    for (int i = MAX(n - 3, 0); i < n; i++) {
        named = named || strstr(parts[i], "advprop");
    }
    return named && names->naming == NAMING_AUTOML;
}

// Published networks trained with AdvProp see pictures as -1 .. 1 with the letterbox at -1
// (spec 7.4).
static void apply_adversarial(struct model *model)
{
    for (int i = 0; i < 3; i++) {
        model->pre.mean[i] = model->pre.std[i] = 127.5;
        model->pre.fill[i] = -1.0;
    }
}

static bool find_convention(const struct container *container, const struct names *names,
                            const struct checkpoint_options *options, enum convention *convention,
                            GError **error)
{
    static const char *const known[] = {"custom", "tf", "rwightman", "zylo117"};
    const char *name = options->convention, *source = "convention";
    *convention = names->naming == NAMING_ZYLO117  ? CONVENTION_ZYLO117
                  : names->naming == NAMING_AUTOML ? CONVENTION_TF
                                                   : CONVENTION_RWIGHTMAN;
    if (!name) {
        name = metadata_get(container, "convention");
        source = "metadata key convention";
    }
    for (int i = 0; name && i < (int)G_N_ELEMENTS(known); i++) {
        if (g_str_equal(name, known[i])) {
            *convention = (enum convention)i;
            return true;
        }
    }
    if (name) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
                    "%s: %s: wanted tf, rwightman, zylo117 or custom, found \"%s\"",
                    container_path(container), source, name);
    }
    return name == NULL;
}

static bool check_anchors(const struct container *container, const struct structure *structure,
                          const struct model *model, GError **error)
{
    if (model_anchors_per_cell(model) == structure->anchors_per_cell) {
        return true;
    }
    g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                "%s: wanted anchors for the %d boxes a cell of the network, found %d scales of %d "
                "aspect ratios; give them in the metadata keys num_scales and aspect_ratios or in "
                "a project file",
                container_path(container), structure->anchors_per_cell, model->anchors.num_scales,
                model->anchors.num_aspects);
    return false;
}

static bool apply_options(const struct checkpoint_options *options, struct model *model,
                          GError **error)
{
    if (options->labels) {
        g_auto(GStrv) labels = labels_read(options->labels, model->num_classes, error);
        if (!labels) {
            return false;
        }
        model_set_labels(model, (const char *const *)labels, model->num_classes);
    }
    if (options->input_height > 0) {
        model->input_height = options->input_height;
    }
    if (options->input_width > 0) {
        model->input_width = options->input_width;
    }
    return true;
}

static bool describe(const struct container *container, const struct names *names,
                     const struct checkpoint_options *options, const struct project *project,
                     struct model *model, GError **error)
{
    struct structure structure;
    struct arch arch;
    const struct arch *wish = NULL;
    enum convention convention;
    if (!metadata_check_format(container, error) ||
        !structure_read(container, names, &structure, error)) {
        return false;
    }
    if (!options->architecture) {
        g_autofree char *source =
            g_strconcat(container_path(container), ": metadata key architecture", NULL);
        if (!wished_arch(metadata_get(container, "architecture"), source, &wish, error)) {
            return false;
        }
    }
    if (!wished_arch(project_architecture(project), "compound_coef of the project", &wish, error) ||
        !wished_arch(options->architecture, "model", &wish, error) ||
        !find_convention(container, names, options, &convention, error) ||
        !choose_arch(container, &structure, wish, &arch, error)) {
        return false;
    }
    bool adversarial = is_adversarial(container, names);
    if (names->naming == NAMING_AUTOML && (adversarial || arch.backbone->lite)) {
        arch.sqrt_aspects = true; // published after google/automl had changed to it (spec 6.2)
    }
    model_init(model, &arch, structure.num_classes);
    model_set_convention(model, convention);
    if (adversarial) {
        apply_adversarial(model);
    }
    if (metadata_apply(container, model, error) && project_apply(project, model, error) &&
        check_anchors(container, &structure, model, error) &&
        apply_options(options, model, error)) {
        return true;
    }
    model_finish(model);
    return false;
}

bool recognise_with_names(const struct container *container, const struct names *names,
                          const struct checkpoint_options *options, struct model *model,
                          GError **error)
{
    static const struct checkpoint_options none = {0};
    struct project project = {0};
    options = options ? options : &none;
    if (options->project && !project_read(options->project, &project, error)) {
        return false;
    }
    bool ok = describe(container, names, options, &project, model, error);
    project_finish(&project);
    return ok;
}

bool recognise_model(const struct container *container, const struct checkpoint_options *options,
                     struct model *model, GError **error)
{
    GError *cause = NULL;
    struct names *names = names_new(container, &cause);
    bool ok = names && recognise_with_names(container, names, options, model, &cause);
    names_free(&names);
    error_propagate_line(error, cause);
    return ok;
}
