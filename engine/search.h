// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Where the weights of a model are: turns a model name, a path, or a folder into one file. Opens no
// weights file. Free-threaded.
#pragma once

#include "base/util.h"

// model: name or path, NULL or "" = "person". weights: a file or a checkpoint, used as it is; or a folder, searched
// instead of the usual ones; or NULL. *architecture (transfer full) gets the full architecture name
// that the model's name stands for, or NULL where only the file tells; may be NULL. Returns the
// path (transfer full); NULL with EFFDET_ERROR_NOT_FOUND, which says what was looked for, where,
// and what to do.
char *search_weights(const char *model, const char *weights, char **architecture,
                     GError **error) WARN_UNUSED;

// The usual folders in the order of search, whether they exist or not (transfer full) (element-type
// filename): $EFFDET_MODEL_PATH, the user's data folder, the installed one and, for a program that
// runs from its build tree, the source's examples/models. Each is searched together with its
// immediate subfolders.
GPtrArray *search_folders(void) WARN_UNUSED;

// Whether this code runs from its build tree.
bool search_uninstalled(void);
