// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Templates of texts: reading them once, and filling them in for each object.
#include "label_format.h"

#include <string.h>

#define MAX_PRECISION 6 // digits behind the point
#define MAX_DIGITS 9    // of a whole number

typedef enum {
    PART_TEXT,
    PART_BLANKS, // between words
    PART_LABEL,
    PART_CONFIDENCE,
    PART_ID,
    PART_CLASS,
} PartKind;

typedef struct {
    PartKind kind;
    gchar *text;      // of PART_TEXT and PART_BLANKS
    guint digits;     // precision of the confidence, least width of whole numbers
    gboolean percent; // the confidence times a hundred
    gboolean zeroes;  // before whole numbers, instead of blanks
} Part;

struct LabelFormat {
    GArray *parts;
};

static const struct {
    const gchar *name;
    PartKind kind;
} fields[] = {
    {"label", PART_LABEL}, {"confidence", PART_CONFIDENCE}, {"id", PART_ID}, {"class", PART_CLASS}};

// ---- reading ------------------------------------------------------------------------------------

static void clear_part(gpointer part)
{
    g_free(((Part *)part)->text);
}

static void add_text(GArray *parts, PartKind kind, const gchar *text, gsize length)
{
    Part part = {.kind = kind, .text = g_strndup(text, length)};

    g_array_append_val(parts, part);
}

// ".2f" or ".0%" of a confidence, "3", "03" or "03d" of a whole number.
static gboolean read_digits(Part *part, const gchar *spec)
{
    gchar *end = NULL;
    guint64 digits;

    if (part->kind == PART_LABEL || (part->kind == PART_CONFIDENCE && *spec++ != '.') ||
        !g_ascii_isdigit(*spec)) {
        return FALSE;
    }
    part->zeroes = *spec == '0';
    digits = g_ascii_strtoull(spec, &end, 10);
    part->digits = (guint)MIN(digits, 99);
    if (part->kind != PART_CONFIDENCE) {
        return part->digits <= MAX_DIGITS && g_str_equal(*end == 'd' ? end + 1 : end, "");
    }
    part->percent = *end == '%';
    return part->digits <= MAX_PRECISION && (g_str_equal(end, "f") || g_str_equal(end, "%"));
}

// What stands between the braces.
static gboolean read_field(GArray *parts, const gchar *field, gchar **why)
{
    const gchar *colon = strchr(field, ':');
    gsize length = colon != NULL ? (gsize)(colon - field) : strlen(field);

    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        Part part = {.kind = fields[i].kind, .digits = fields[i].kind == PART_CONFIDENCE ? 2 : 0};

        if (strlen(fields[i].name) != length || strncmp(fields[i].name, field, length) != 0) {
            continue;
        }
        if (colon != NULL && !read_digits(&part, colon + 1)) {
            *why = g_strdup_printf("'%s' is no format of {%s}: {confidence} takes .0f to .6f and "
                                   ".0%% to .6%%, {id} and {class} a width of 1 to 9 digits, "
                                   "{label} nothing",
                                   colon + 1, fields[i].name);
            return FALSE;
        }
        g_array_append_val(parts, part);
        return TRUE;
    }
    *why = g_strdup_printf("there is no field {%s}: there are {label}, {confidence}, {id} and "
                           "{class}",
                           field);
    return FALSE;
}

// One part; the position behind it, NULL if it cannot be read.
static const gchar *read_part(GArray *parts, const gchar *at, gchar **why)
{
    g_autofree gchar *field = NULL;
    const gchar *end;
    gsize length;

    if ((at[0] == '{' || at[0] == '}') && at[1] == at[0]) {
        add_text(parts, PART_TEXT, at, 1);
        return at + 2;
    }
    if (*at == '}') {
        *why = g_strdup("a '}' without its '{': write '}}' for a brace");
        return NULL;
    }
    if (*at != '{') {
        gboolean blank = *at == ' ';

        length = blank ? strspn(at, " ") : strcspn(at, " {}");
        add_text(parts, blank ? PART_BLANKS : PART_TEXT, at, length);
        return at + length;
    }
    end = strchr(at, '}');
    if (end == NULL) {
        *why = g_strdup_printf("'%s' has no '}': write '{{' for a brace", at);
        return NULL;
    }
    field = g_strndup(at + 1, (gsize)(end - at - 1));
    return read_field(parts, field, why) ? end + 1 : NULL;
}

LabelFormat *label_format_new(const gchar *pattern, gchar **why)
{
    LabelFormat *format = g_new0(LabelFormat, 1);

    format->parts = g_array_new(FALSE, FALSE, sizeof(Part));
    g_array_set_clear_func(format->parts, clear_part);
    for (const gchar *at = pattern; *at != '\0';) {
        at = read_part(format->parts, at, why);
        if (at == NULL) {
            label_format_free(format);
            return NULL;
        }
    }
    return format;
}

void label_format_free(LabelFormat *format)
{
    if (format != NULL) {
        g_array_unref(format->parts);
        g_free(format);
    }
}

// ---- filling in ---------------------------------------------------------------------------------

typedef struct {
    gchar *text;
    gsize size, used;
} Line;

static void append(Line *line, const gchar *text)
{
    gsize length = g_strlcpy(line->text + line->used, text, line->size - line->used);

    line->used = MIN(line->used + length, line->size - 1);
}

static void append_whole(Line *line, const Part *part, gint64 value)
{
    gchar text[32];

    g_snprintf(text, sizeof text, part->zeroes ? "%0*" G_GINT64_FORMAT : "%*" G_GINT64_FORMAT,
               (gint)part->digits, value);
    append(line, text);
}

// With a point in every locale.
static void append_confidence(Line *line, const Part *part, gdouble confidence)
{
    gchar printf_format[8], text[G_ASCII_DTOSTR_BUF_SIZE];

    g_snprintf(printf_format, sizeof printf_format, "%%.%uf", part->digits);
    g_ascii_formatd(text, sizeof text, printf_format,
                    MIN(confidence, 1.0) * (part->percent ? 100.0 : 1.0));
    append(line, text);
    if (part->percent) {
        append(line, "%");
    }
}

static gboolean append_label(Line *line, const EffdetDetection *object)
{
    GQuark label = object->track_label != 0 ? object->track_label : object->label;
    gchar text[32];

    if (label == 0 && object->label_id < 0) {
        return FALSE;
    }
    if (label == 0) {
        g_snprintf(text, sizeof text, "class %d", object->label_id);
    }
    append(line, label != 0 ? g_quark_to_string(label) : text);
    return TRUE;
}

// FALSE if the object lacks it.
static gboolean append_part(Line *line, const Part *part, const EffdetDetection *object,
                            gboolean confidence)
{
    switch (part->kind) {
    case PART_LABEL:
        return append_label(line, object);
    case PART_CONFIDENCE:
        if (!confidence || !(object->confidence >= 0.0)) {
            return FALSE;
        }
        append_confidence(line, part, object->confidence);
        return TRUE;
    case PART_ID:
        if (object->track_id <= 0) {
            return FALSE;
        }
        append_whole(line, part, object->track_id);
        return TRUE;
    case PART_CLASS:
        if (object->label_id < 0) {
            return FALSE;
        }
        append_whole(line, part, object->label_id);
        return TRUE;
    default:
        append(line, part->text);
        return TRUE;
    }
}

void label_format_write(const LabelFormat *format, const EffdetDetection *object,
                        gboolean confidence, gchar *text, gsize size)
{
    Line line = {.text = text, .size = size};
    gsize before = 0; // the word and the blanks in front of it
    const Part *blanks = NULL;
    gboolean whole = TRUE;

    text[0] = '\0';
    for (guint i = 0; i < format->parts->len; i++) {
        const Part *part = &g_array_index(format->parts, Part, i);

        if (part->kind == PART_BLANKS) {
            before = line.used;
            blanks = part;
            whole = TRUE;
            continue;
        }
        if (blanks != NULL && line.used > 0 && whole) {
            append(&line, blanks->text);
        }
        blanks = NULL;
        if (whole && !append_part(&line, part, object, confidence)) {
            whole = FALSE;
            line.used = before;
            text[before] = '\0';
        }
    }
}
