// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tests of whole weights files share.
#pragma once

#include "weights/checkpoint.h"
#include "weights_file.h"

// A folder, a path in it, and a model of two cells and two classes.
struct fixture {
    char *folder, *path; // path: "weights.safetensors" in it
    struct model model;
};
void fixture_set_up(struct fixture *fixture, gconstpointer arch_name);
void fixture_tear_down(struct fixture *fixture, gconstpointer arch_name);
struct checkpoint *open_file(const char *path, const struct checkpoint_options *options);
// Reads everything that the network wants, then asks for leftovers.
bool read_whole(const char *path, GError **error);
// Writes and frees the file and expects one line of error with its path and this text.
void expect_refusal(struct fixture *fixture, struct weights_file *file, const char *what);
#define ADD_WITH_FIXTURE(name, arch, function)                                                     \
    g_test_add(name, struct fixture, arch, fixture_set_up, function, fixture_tear_down)
