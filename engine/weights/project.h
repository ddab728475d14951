// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: project files of zylo117 (YAML), which hold what its checkpoints lack.
#pragma once

#include "net/model.h"
#include "base/util.h"

struct project {
    char *path;
    char **labels; // obj_list
    int num_labels;
    bool has_mean, has_std;
    double mean[3], std[3];      // of 0..1 RGB
    int num_scales, num_aspects; // 0: not in the file
    double scales[MAX_SCALES], aspects[MAX_ASPECTS][2];
    int compound_coef; // -1: not in the file
};

// Unknown keys are ignored; a known key with a value that cannot be is an error that names it.
bool project_read(const char *path, struct project *project, GError **error) WARN_UNUSED;
// The architecture that compound_coef stands for, or NULL.
const char *project_architecture(const struct project *project);
// Puts what the file says into a model. A project without a path changes nothing.
bool project_apply(const struct project *project, struct model *model, GError **error) WARN_UNUSED;
void project_finish(struct project *project);
