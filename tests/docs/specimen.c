// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element does nothing.
#include "specimen.h"

typedef struct {
    GstElement parent;
} GstSpecimen;
typedef struct {
    GstElementClass parent;
} GstSpecimenClass;

GType gst_specimen_get_type(void);
G_DEFINE_TYPE(GstSpecimen, gst_specimen, GST_TYPE_ELEMENT)

static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink_%u", GST_PAD_SINK, GST_PAD_REQUEST,
    GST_STATIC_CAPS("video/x-raw, format = { NV12, GRAY8 }, width = [ 1, 8 ]; "
                    "video/x-raw(memory:DMABuf), framerate = [ 0/1, 60/1 ]; video/x-raw(ANY)"));

static const GEnumValue sides[] = {{0, "the one", "left"}, {1, "the other", "right"}, {0}};
static const GFlagsValue parts[] = {
    {1, "on top", "head"}, {2, "between", "belly"}, {4, "below", "feet"}, {0}};

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
}

static void install_properties(GObjectClass *klass)
{
    const GParamFlags both = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
    GType side = g_enum_register_static("GstSpecimenSide", sides);
    GType part = g_flags_register_static("GstSpecimenPart", parts);
    GParamSpec *specs[] = {
        g_param_spec_string("text", "", "Blurb", "a", both | GST_PARAM_MUTABLE_PLAYING),
        g_param_spec_string("none", "", "Only this.", NULL, both | GST_PARAM_MUTABLE_PAUSED),
        g_param_spec_int("number", "", "Blurb", -1, 2, 0, both | GST_PARAM_CONTROLLABLE),
        g_param_spec_uint("count", "", "Blurb", 0, G_MAXUINT, 7, both | GST_PARAM_MUTABLE_READY),
        g_param_spec_double("part", "", "Blurb", 0, 1, 0.25, both | G_PARAM_DEPRECATED),
        g_param_spec_boolean("truth", "", "Blurb", TRUE, G_PARAM_WRITABLE),
        g_param_spec_enum("side", "", "Blurb", side, 1, both | G_PARAM_CONSTRUCT_ONLY),
        g_param_spec_flags("parts", "", "Blurb", part, 5, both),
        g_param_spec_boxed("box", "", "Blurb", GST_TYPE_STRUCTURE, G_PARAM_READABLE),
    };

    for (guint i = 0; i < G_N_ELEMENTS(specs); i++) {
        g_object_class_install_property(klass, i + 1, specs[i]);
    }
}

static void gst_specimen_class_init(GstSpecimenClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);

    object_class->set_property = set_property;
    object_class->get_property = get_property;
    install_properties(object_class);
    g_signal_new("jump", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION, 0, NULL,
                 NULL, NULL, G_TYPE_BOOLEAN, 1, G_TYPE_UINT);
    g_signal_new("fell", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                 G_TYPE_NONE, 0);
    gst_element_class_set_static_metadata(element_class, "Specimen", "Test", "Does nothing", "us");
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_add_static_pad_template(element_class, &sink_template);
}

static void gst_specimen_init(GstSpecimen *self)
{
}

GstElementFactory *specimen_register(void)
{
    g_assert_true(gst_element_register(NULL, "specimen", 3, gst_specimen_get_type()));
    return gst_element_factory_find("specimen");
}

const gchar specimen_source[] = "// no comment of documentation\n"
                                "/**\n"
                                " * SECTION:element-specimen\n"
                                " * @title: specimen\n"
                                " *\n"
                                " * Has #GstSpecimen:text, #GstOther:text and #GstOther.\n"
                                " *\n"
                                " * |[\n"
                                " * gst-launch-1.0 specimen ! \\\n"
                                " *     fakesink # #GstOther\n"
                                " * ]| In a pipeline.\n"
                                " * |[\n"
                                " * {}\n"
                                " * ]|\n"
                                " *\n"
                                " * Since: 0.1\n"
                                " */\n"
                                "    /**\n"
                                "     * GstSpecimen:text:\n"
                                "     *\n"
                                "     * More than a blurb.\n"
                                "     *\n"
                                "     * Since: 0.2\n"
                                "     */\n"
                                "/**\n"
                                " * GstSpecimen:count:\n"
                                " *\n"
                                " * As long as it.\n"
                                " * Since: 0.1\n"
                                " */\n"
                                "/**\n * GstSpecimen::jump:\n *\n * Tells whether it did.\n */\n"
                                "/**\n * GstSpecimen::fell:\n *\n * It did.\n */\n";

const gchar specimen_page[] =
    "<!-- Written by \"ninja -C build docs\" from what the element registers and the comments in "
    "plugin/. -->\n"
    "# specimen\n\n"
    "| | |\n| --- | --- |\n"
    "| name | Specimen |\n"
    "| what | Does nothing |\n"
    "| class | `Test` |\n"
    "| type | `GstSpecimen`, a `GstElement` |\n"
    "| also called | `other` |\n"
    "| rank | 3 |\n"
    "| since | 0.1 |\n\n"
    "Has [`text`](#text), `GstOther:text` and `GstOther`.\n\n"
    "```sh\ngst-launch-1.0 specimen ! \\\n    fakesink # #GstOther\n```\n\nIn a pipeline.\n\n"
    "```\n{}\n```\n\n"
    "## Pads\n\n"
    "`sink_%u`, sink, on request:\n\n"
    "```\nvideo/x-raw\n    format: { NV12, GRAY8 }\n    width: [ 1, 8 ]\n"
    "video/x-raw(memory:DMABuf)\n    framerate: [ 0/1, 60/1 ]\nvideo/x-raw(ANY)\n```\n\n"
    "`src`, source, sometimes there:\n\n```\nANY\n```\n\n"
    "## Properties\n\n"
    "### `text`\n\nstring, default `a`, can be changed while playing\n\n"
    "More than a blurb.\nSince 0.2.\n\n"
    "### `none`\n\nstring, default none, can be changed up to PAUSED\n\nOnly this.\n\n"
    "### `number`\n\ninteger from -1 to 2, default 0, controllable\n\nBlurb.\n\n"
    "### `count`\n\nunsigned integer from 0 to 4294967295, default 7, can be changed up to "
    "READY\n\n"
    "As long as it.\n\n"
    "### `part`\n\nnumber from 0 to 1, default 0.25, deprecated\n\nBlurb.\n\n"
    "### `truth`\n\nboolean, default true, write-only\n\nBlurb.\n\n"
    "### `side`\n\n`GstSpecimenSide`, default `right`, set at construction only\n\nBlurb.\n\n"
    "- `left`: the one\n- `right`: the other\n\n"
    "### `parts`\n\n`GstSpecimenPart`, default `head+feet`\n\nBlurb.\n\n"
    "- `head`: on top\n- `belly`: between\n- `feet`: below\n\n"
    "### `box`\n\n`GstStructure`, read-only\n\nBlurb.\n\n"
    "## Signals\n\n"
    "### `jump`\n\naction, `gboolean (GstSpecimen, guint)`\n\nTells whether it did.\n\n"
    "### `fell`\n\nsignal, `void (GstSpecimen)`\n\nIt did.\n";
