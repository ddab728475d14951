// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The options that detect, infer and bench share: which model, which device.
#pragma once

#include "cli/cli.h"
#include "effdet/effdet.h"

struct model_options {
    char *model, *weights, *project, *labels, *size, *convention;
    char *device, *precision, *plan;
    gboolean no_fuse, tune, no_tune;
};

// Adds the options to the context; `options` must be zeroed and outlive it.
void model_options_add(struct model_options *options, GOptionContext *context);
// Fills params, whose strings stay owned by `options`; false when a value is wrong (then the line
// on stderr is printed).
bool model_options_params(const struct model_options *options,
                          EffdetEngineParams *params) WARN_UNUSED;
void model_options_finish(struct model_options *options);

// "WxH" with both from 1 to 16384; false when it is anything else.
bool parse_size(const char *text, guint *width, guint *height) WARN_UNUSED;
