// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The table of subcommands and what holds for all of them. Each subcommand has a file of its own.
#include "cli/cli.h"
#include "effdet/effdet.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} subcommands[] = {
    {"detect", command_detect, "find objects in pictures"},
    {"devices", command_devices, "list the Vulkan devices that can run a network"},
    {"models", command_models, "list known networks and where their weights are"},
    {"fetch", command_fetch, "bring published weights into the model folder"},
    {"check", command_check, "find out what works on this machine and what is missing"},
    {"inspect", command_inspect, "tell what is in a weights file"},
    {"convert", command_convert, "write any readable weights file as safetensors"},
    {"infer", command_infer, "run the bare network on a tensor"},
    {"bench", command_bench, "measure speed and memory"},
};

static void print_help(void)
{
    puts("Usage:\n"
         "  effdet SUBCOMMAND [OPTION...] [ARGUMENT...]\n\n"
         "EfficientDet object detectors as Vulkan compute shaders.\n\n"
         "Subcommands:");
    for (gsize i = 0; i < G_N_ELEMENTS(subcommands); i++) {
        printf("  %-9s %s\n", subcommands[i].name, subcommands[i].summary);
    }
    puts("\n"
         "effdet SUBCOMMAND --help explains one of them; effdet --version prints the version.\n\n"
         "Every subcommand takes --json for output that programs can read, and exits with 0 when\n"
         "it is done, 1 when it failed (one line on stderr names the file or device) and 2 when\n"
         "the command line is wrong.\n\n"
         "Environment:\n"
         "  EFFDET_MODEL_PATH   folders with weights, separated by colons, searched first\n"
         "  EFFDET_DISABLE      features of the device not to use, separated by commas, as\n"
         "                      \"effdet devices\" names them\n"
         "  EFFDET_VARIANT      kernel variants to force: op:name,...\n"
         "  EFFDET_BARRIERS     \"all\": a barrier after every dispatch\n"
         "  EFFDET_SUBMIT_MS    longest piece of work given to the device at once (50)\n"
         "  EFFDET_POISON       \"1\": fill the device's memory with NaN before the first frame\n"
         "  EFFDET_LOG          messages on stderr up to error (default), warning, info or debug");
}

// Messages of the library must not add lines to the one error line unless they are asked for.
static void log_to_stderr(int level, const char *message, gpointer user_data)
{
    if (level <= GPOINTER_TO_INT(user_data)) {
        g_printerr("effdet: %s\n", message);
    }
}

static bool set_log_level(void)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    const char *wanted = g_getenv("EFFDET_LOG");
    for (int i = 0; i < (int)G_N_ELEMENTS(names); i++) {
        if (g_strcmp0(wanted ? wanted : "error", names[i]) == 0) {
            effdet_set_log_func(log_to_stderr, GINT_TO_POINTER(i));
            return true;
        }
    }
    cli_usage("EFFDET_LOG=%s: wanted error, warning, info or debug", wanted);
    return false;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        return cli_usage("no subcommand");
    }
    if (g_str_equal(name, "--help") || g_str_equal(name, "-h") ||
        (g_str_equal(name, "help") && argc == 2)) {
        print_help();
        return EXIT_DONE;
    }
    if (g_str_equal(name, "--version")) {
        puts("effdet " EFFDET_VERSION);
        return EXIT_DONE;
    }
    char *help[] = {NULL, (char *)"--help", NULL};
    if (g_str_equal(name, "help")) {
        name = argv[2];
        help[0] = argv[2];
        argc = 2;
        argv = help;
    } else {
        argc--;
        argv++;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(subcommands); i++) {
        if (g_str_equal(name, subcommands[i].name)) {
            g_autofree char *program = g_strconcat("effdet ", name, NULL);
            g_set_prgname(program);
            return subcommands[i].run(argc, argv);
        }
    }
    return cli_usage("unknown subcommand \"%s\"", name);
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");  // file names and messages; numbers stay in the C form
    signal(SIGPIPE, SIG_IGN); // a reader that has gone is a write error
    g_set_prgname("effdet");
    if (!set_log_level()) {
        return EXIT_USAGE;
    }
    int status = run(argc, argv);
    bool lost =
        fflush(stdout) != 0 || ferror(stdout); // the latter without errno, from an earlier write
    if (lost && status == EXIT_DONE) {
        return cli_fail("standard output: %s", g_strerror(errno ? errno : EIO));
    }
    return status;
}
