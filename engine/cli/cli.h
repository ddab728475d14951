// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the subcommands share: exit codes, the one error line, option parsing, JSON output. No
// engine code.
#pragma once

#include "base/util.h"

#include <json-glib/json-glib.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

// Subcommands. argv[0] is the subcommand's name. They return one of the exit codes above.
int command_bench(int argc, char **argv);
int command_check(int argc, char **argv);
int command_convert(int argc, char **argv);
int command_detect(int argc, char **argv);
int command_devices(int argc, char **argv);
int command_fetch(int argc, char **argv);
int command_infer(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_models(int argc, char **argv);

// Prints one line on stderr, "effdet: " in front, line breaks in the text turned into spaces, and
// returns EXIT_FAILED.
int cli_fail(const char *format, ...) G_GNUC_PRINTF(1, 2);
// The same with a pointer to --help, for a command line that cannot be meant; returns EXIT_USAGE.
int cli_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);

// A context for `effdet SUBCOMMAND ARGUMENTS`; summary and description are the text around the
// options.
GOptionContext *cli_context(const char *arguments, const char *summary,
                            const char *description) WARN_UNUSED;
// Parses; false when the command line is wrong (then the line on stderr is printed).
bool cli_parse(GOptionContext *context, int argc, char **argv) WARN_UNUSED;

// Prints the builder's document and a line end on stdout. pretty: indented, else one line.
void cli_print_json(JsonBuilder *builder, bool pretty);
// Members of the object that is open in the builder. NULL text becomes null.
void json_string(JsonBuilder *builder, const char *member, const char *text);
void json_int(JsonBuilder *builder, const char *member, gint64 value);
// Infinities and NaN, which JSON lacks, become null.
void json_double(JsonBuilder *builder, const char *member, double value);
void json_bool(JsonBuilder *builder, const char *member, bool value);
void json_strings(JsonBuilder *builder, const char *member, const char *const *texts);
