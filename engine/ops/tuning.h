// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Kernel variants chosen by measurement: which tile each class of shapes runs best with on a
// device. Filled by trials (engine/tune.c), kept in the cache folder, asked by op_choose(). One
// thread at a time.
#pragma once

#include "ops/variant.h"

#include <stdbool.h>

#define MAX_CANDIDATES 8 // of one class of shapes

struct tuning;

// Starts with what an earlier process measured on this device, driver and build; empty without. A
// damaged or foreign file is refused and logged.
struct tuning *tuning_new(const struct device *device);
void tuning_free(struct tuning **tuning);

// Until the next call, choices are the rank-th cheapest by estimate (0 first); -1: the best
// measured.
void tuning_begin_trial(struct tuning *tuning, int rank);
// A dispatch of this node took that long in the trial.
void tuning_report(struct tuning *tuning, const char *node, double us);
// Compares the trial with what is known. False when no shape has a candidate of a higher rank.
bool tuning_end_trial(struct tuning *tuning);
// Whether a network's shapes were measured: by a name of its architecture, size and storage.
bool tuning_is_known(const struct tuning *tuning, const char *model);
void tuning_set_known(struct tuning *tuning, const char *model);
// Writes what was measured to the cache folder. Failure is only logged.
void tuning_save(const struct tuning *tuning);

// shape: names the class of shapes; candidates: falling preference by estimate, n >= 1.
const struct variant *tuning_choose(struct tuning *tuning, const char *node, const char *shape,
                                    const struct variant *const *candidates, int n);
