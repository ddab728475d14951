// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What an element registers, as Markdown.
#include "describe.h"

#include <string.h>

typedef struct {
    const Comments *comments;
    GType type;
    gchar *since; // of the element
    GString *text;
} Page;

G_GNUC_PRINTF(2, 3)
static void add(Page *page, const gchar *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(page->text, format, args);
    va_end(args);
}

// The comment of a property or signal, otherwise what it says of itself, if anything; and since
// when it is there, where that is not as long as the element.
static void add_prose(Page *page, const gchar *name, const gchar *otherwise)
{
    g_autofree gchar *since = NULL;
    g_autofree gchar *prose = comments_get(page->comments, name, g_type_name(page->type), &since);

    if (prose == NULL && otherwise == NULL) {
        g_error("no comment \"%s\" in plugin/", name);
    }
    add(page, "%s%s\n", prose != NULL ? prose : otherwise,
        prose != NULL || g_str_has_suffix(otherwise, ".") ? "" : ".");
    if (since != NULL && g_strcmp0(since, page->since) != 0) {
        add(page, "Since %s.\n", since);
    }
}

// ---- pads ---------------------------------------------------------------------------------------

// gst_value_serialize() writes the types into lists, or does not, as releases go.
static void add_value(Page *page, const GValue *value)
{
    if (GST_VALUE_HOLDS_LIST(value)) {
        for (guint i = 0; i < gst_value_list_get_size(value); i++) {
            add(page, "%s", i > 0 ? ", " : "{ ");
            add_value(page, gst_value_list_get_value(value, i));
        }
        add(page, " }");
    } else {
        g_autofree gchar *text = gst_value_serialize(value);

        add(page, "%s", text);
    }
}

static void add_caps(Page *page, const GstCaps *caps)
{
    if (gst_caps_is_any(caps)) {
        add(page, "ANY\n");
        return;
    }
    for (guint i = 0; i < gst_caps_get_size(caps); i++) {
        const GstStructure *structure = gst_caps_get_structure(caps, i);
        GstCapsFeatures *features = gst_caps_get_features(caps, i);
        g_autofree gchar *feature_names = gst_caps_features_to_string(features);
        gboolean in_system =
            !gst_caps_features_is_any(features) && // it is equal to all others
            gst_caps_features_is_equal(features, GST_CAPS_FEATURES_MEMORY_SYSTEM_MEMORY);

        add(page, in_system ? "%s\n" : "%s(%s)\n", gst_structure_get_name(structure),
            feature_names);
        for (gint k = 0; k < gst_structure_n_fields(structure); k++) {
            const gchar *name = gst_structure_nth_field_name(structure, (guint)k);

            add(page, "    %s: ", name);
            add_value(page, gst_structure_get_value(structure, name));
            add(page, "\n");
        }
    }
}

static gint compare_templates(gconstpointer a, gconstpointer b)
{
    return strcmp(((const GstStaticPadTemplate *)a)->name_template,
                  ((const GstStaticPadTemplate *)b)->name_template);
}

static void add_pads(Page *page, GstElementFactory *factory)
{
    static const gchar *const presences[] = {"always there", "sometimes there", "on request"};
    GList *templates =
        g_list_sort(g_list_copy((GList *)gst_element_factory_get_static_pad_templates(factory)),
                    compare_templates);

    add(page, "\n## Pads\n");
    for (GList *item = templates; item != NULL; item = item->next) {
        GstStaticPadTemplate *template = item->data;
        g_autoptr(GstCaps) caps = gst_static_caps_get(&template->static_caps);

        add(page, "\n`%s`, %s, %s:\n\n```\n", template->name_template,
            template->direction == GST_PAD_SRC ? "source" : "sink", presences[template->presence]);
        add_caps(page, caps);
        add(page, "```\n");
    }
    g_list_free(templates);
}

// ---- properties ---------------------------------------------------------------------------------

static void add_choice(Page *page, const GParamSpec *spec, const GValue *value)
{
    gboolean first = TRUE;

    add(page, "`%s`, default `", g_type_name(spec->value_type));
    if (G_IS_PARAM_SPEC_ENUM(spec)) {
        add(page, "%s",
            g_enum_get_value(G_PARAM_SPEC_ENUM(spec)->enum_class, g_value_get_enum(value))
                ->value_nick);
    } else {
        const GFlagsClass *flags = G_PARAM_SPEC_FLAGS(spec)->flags_class;

        for (guint i = 0; i < flags->n_values; i++) {
            if ((g_value_get_flags(value) & flags->values[i].value) != 0) {
                add(page, "%s%s", first ? "" : "+", flags->values[i].value_nick);
                first = FALSE;
            }
        }
    }
    add(page, "`");
}

static void add_type(Page *page, GParamSpec *spec)
{
    const GValue *value = g_param_spec_get_default_value(spec);

    if (G_IS_PARAM_SPEC_STRING(spec)) {
        const gchar *text = g_value_get_string(value);

        add(page, text != NULL ? "string, default `%s`" : "string, default none", text);
    } else if (G_IS_PARAM_SPEC_BOOLEAN(spec)) {
        add(page, "boolean, default %s", g_value_get_boolean(value) ? "true" : "false");
    } else if (G_IS_PARAM_SPEC_INT(spec)) {
        const GParamSpecInt *range = G_PARAM_SPEC_INT(spec);

        add(page, "integer from %d to %d, default %d", range->minimum, range->maximum,
            range->default_value);
    } else if (G_IS_PARAM_SPEC_UINT(spec)) {
        const GParamSpecUInt *range = G_PARAM_SPEC_UINT(spec);

        add(page, "unsigned integer from %u to %u, default %u", range->minimum, range->maximum,
            range->default_value);
    } else if (G_IS_PARAM_SPEC_DOUBLE(spec)) {
        const GParamSpecDouble *range = G_PARAM_SPEC_DOUBLE(spec);

        add(page, "number from %g to %g, default %g", range->minimum, range->maximum,
            range->default_value);
    } else if (G_IS_PARAM_SPEC_ENUM(spec) || G_IS_PARAM_SPEC_FLAGS(spec)) {
        add_choice(page, spec, value);
    } else if (G_IS_PARAM_SPEC_BOXED(spec) || G_IS_PARAM_SPEC_OBJECT(spec)) {
        add(page, "`%s`", g_type_name(spec->value_type));
    } else {
        g_error("%s: a property of a %s, which describe.c has no words for", spec->name,
                G_PARAM_SPEC_TYPE_NAME(spec));
    }
}

static void add_flags(Page *page, const GParamSpec *spec)
{
    static const struct {
        guint mask, value;
        const gchar *words;
    } rules[] = {
        {G_PARAM_READWRITE, G_PARAM_READABLE, "read-only"},
        {G_PARAM_READWRITE, G_PARAM_WRITABLE, "write-only"},
        {G_PARAM_CONSTRUCT_ONLY, G_PARAM_CONSTRUCT_ONLY, "set at construction only"},
        {GST_PARAM_MUTABLE_PLAYING, GST_PARAM_MUTABLE_PLAYING, "can be changed while playing"},
        {GST_PARAM_MUTABLE_PAUSED, GST_PARAM_MUTABLE_PAUSED, "can be changed up to PAUSED"},
        {GST_PARAM_MUTABLE_READY, GST_PARAM_MUTABLE_READY, "can be changed up to READY"},
        {GST_PARAM_CONTROLLABLE, GST_PARAM_CONTROLLABLE, "controllable"},
        {G_PARAM_DEPRECATED, G_PARAM_DEPRECATED, "deprecated"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (((guint)spec->flags & rules[i].mask) == rules[i].value) {
            add(page, ", %s", rules[i].words);
        }
    }
}

static void add_values(Page *page, GParamSpec *spec)
{
    if (G_IS_PARAM_SPEC_ENUM(spec)) {
        const GEnumClass *klass = G_PARAM_SPEC_ENUM(spec)->enum_class;

        for (guint i = 0; i < klass->n_values; i++) {
            add(page, "%s- `%s`: %s\n", i == 0 ? "\n" : "", klass->values[i].value_nick,
                klass->values[i].value_name);
        }
    } else if (G_IS_PARAM_SPEC_FLAGS(spec)) {
        const GFlagsClass *klass = G_PARAM_SPEC_FLAGS(spec)->flags_class;

        for (guint i = 0; i < klass->n_values; i++) {
            add(page, "%s- `%s`: %s\n", i == 0 ? "\n" : "", klass->values[i].value_nick,
                klass->values[i].value_name);
        }
    }
}

static void add_properties(Page *page, GObjectClass *klass)
{
    guint n_specs, n_own = 0;
    g_autofree GParamSpec **specs = g_object_class_list_properties(klass, &n_specs);

    for (guint i = 0; i < n_specs; i++) {
        g_autofree gchar *name = NULL;

        if (specs[i]->owner_type != page->type) {
            continue;
        }
        name = g_strdup_printf("%s:%s", g_type_name(page->type), specs[i]->name);
        add(page, "%s\n### `%s`\n\n", n_own++ == 0 ? "\n## Properties\n" : "", specs[i]->name);
        add_type(page, specs[i]);
        add_flags(page, specs[i]);
        add(page, "\n\n");
        add_prose(page, name, g_param_spec_get_blurb(specs[i]));
        add_values(page, specs[i]);
    }
}

// ---- signals ------------------------------------------------------------------------------------

static void add_signals(Page *page)
{
    guint n_ids;
    g_autofree guint *ids = g_signal_list_ids(page->type, &n_ids);

    for (guint i = 0; i < n_ids; i++) {
        g_autofree gchar *name = NULL;
        GSignalQuery query;

        g_signal_query(ids[i], &query);
        name = g_strdup_printf("%s::%s", g_type_name(page->type), query.signal_name);
        add(page, "%s\n### `%s`\n\n%s, `%s (%s", i == 0 ? "\n## Signals\n" : "", query.signal_name,
            query.signal_flags & G_SIGNAL_ACTION ? "action" : "signal",
            g_type_name(query.return_type), g_type_name(page->type));
        for (guint k = 0; k < query.n_params; k++) {
            add(page, ", %s", g_type_name(query.param_types[k] & ~G_SIGNAL_TYPE_STATIC_SCOPE));
        }
        add(page, ")`\n\n");
        add_prose(page, name, NULL);
    }
}

// ---- the page -----------------------------------------------------------------------------------

static void add_head(Page *page, GstElementFactory *factory, const gchar *aliases)
{
    const gchar *name = GST_OBJECT_NAME(factory);
    g_autofree gchar *section = g_strdup_printf("SECTION:element-%s", name);
    g_autofree gchar *prose =
        comments_get(page->comments, section, g_type_name(page->type), &page->since);

    if (prose == NULL || page->since == NULL) {
        g_error("no comment \"%s\" with a line \"Since:\" in plugin/", section);
    }
    add(page,
        "<!-- Written by \"ninja -C build docs\" from what the element registers and the comments "
        "in plugin/. -->\n# %s\n\n| | |\n| --- | --- |\n",
        name);
    add(page, "| name | %s |\n", gst_element_factory_get_metadata(factory, "long-name"));
    add(page, "| what | %s |\n", gst_element_factory_get_metadata(factory, "description"));
    add(page, "| class | `%s` |\n", gst_element_factory_get_metadata(factory, "klass"));
    add(page, "| type | `%s`, a `%s` |\n", g_type_name(page->type),
        g_type_name(g_type_parent(page->type)));
    if (aliases != NULL) {
        add(page, "| also called | %s |\n", aliases);
    }
    add(page, "| rank | %u |\n| since | %s |\n\n%s\n",
        gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(factory)), page->since, prose);
}

gchar *describe_element(GstElementFactory *factory, const gchar *aliases, const Comments *comments)
{
    Page page = {.comments = comments,
                 .type = gst_element_factory_get_element_type(factory),
                 .text = g_string_new(NULL)};
    GObjectClass *klass = g_type_class_ref(page.type);

    add_head(&page, factory, aliases);
    add_pads(&page, factory);
    add_properties(&page, klass);
    add_signals(&page);
    g_type_class_unref(klass);
    g_free(page.since);
    return g_string_free(page.text, FALSE);
}
