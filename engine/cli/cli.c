// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Error lines, option parsing and JSON output of the command. No subcommand.
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>

static void print_error_line(const char *format, va_list args, const char *hint)
{
    g_autofree char *text = g_strdup_vprintf(format, args);
    g_strdelimit(text, "\r\n", ' ');
    g_printerr("effdet: %s%s\n", g_strchomp(text), hint);
}

int cli_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_error_line(format, args, "");
    va_end(args);
    return EXIT_FAILED;
}

int cli_usage(const char *format, ...)
{
    g_autofree char *hint = g_strdup_printf(" (see %s --help)", g_get_prgname());
    va_list args;
    va_start(args, format);
    print_error_line(format, args, hint);
    va_end(args);
    return EXIT_USAGE;
}

GOptionContext *cli_context(const char *arguments, const char *summary, const char *description)
{
    GOptionContext *context = g_option_context_new(arguments);
    g_option_context_set_summary(context, summary);
    g_option_context_set_description(context, description);
    return context;
}

bool cli_parse(GOptionContext *context, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) copy = g_new0(char *, argc + 1); // parsing takes the recognised options out
    for (int i = 0; i < argc; i++) {
        copy[i] = g_strdup(argv[i]);
    }
    if (!g_option_context_parse_strv(context, &copy, &error)) {
        cli_usage("%s", error->message);
        return false;
    }
    if (g_strv_length(copy) > 1) { // left over without a place to go
        cli_usage("unexpected argument \"%s\"", copy[1]);
        return false;
    }
    return true;
}

void cli_print_json(JsonBuilder *builder, bool pretty)
{
    g_autoptr(JsonGenerator) generator = json_generator_new();
    JsonNode *root = json_builder_get_root(builder);
    json_generator_set_pretty(generator, pretty);
    json_generator_set_root(generator, root);
    g_autofree char *text = json_generator_to_data(generator, NULL);
    puts(text);
    json_node_unref(root);
}

void json_string(JsonBuilder *builder, const char *member, const char *text)
{
    json_builder_set_member_name(builder, member);
    if (text) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        json_builder_add_string_value(builder, valid);
    } else {
        json_builder_add_null_value(builder);
    }
}

void json_int(JsonBuilder *builder, const char *member, gint64 value)
{
    json_builder_set_member_name(builder, member);
    json_builder_add_int_value(builder, value);
}

void json_double(JsonBuilder *builder, const char *member, double value)
{
    json_builder_set_member_name(builder, member);
    if (isfinite(value)) {
        json_builder_add_double_value(builder, value);
    } else {
        json_builder_add_null_value(builder);
    }
}

void json_bool(JsonBuilder *builder, const char *member, bool value)
{
    json_builder_set_member_name(builder, member);
    json_builder_add_boolean_value(builder, value);
}

void json_strings(JsonBuilder *builder, const char *member, const char *const *texts)
{
    json_builder_set_member_name(builder, member);
    json_builder_begin_array(builder);
    for (int i = 0; texts && texts[i]; i++) {
        g_autofree char *valid = g_utf8_make_valid(texts[i], -1);
        json_builder_add_string_value(builder, valid);
    }
    json_builder_end_array(builder);
}
