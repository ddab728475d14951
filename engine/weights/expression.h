// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: lists of numbers as people write them in project files and metadata,
// "[2 ** 0, 2 ** (1.0 / 3.0)]" or "[(1.0, 1.0), (1.4, 0.7)]".
#pragma once

#include "base/util.h"

// Reads a list of numbers (pairs false: item[i][0]) or of pairs. Numbers may be small expressions
// of
// + - * / ** and parentheses. False when the text is anything else, holds more than max items or a
// value that is not finite.
bool expression_list(const char *text, bool pairs, double (*items)[2], int max, int *n) WARN_UNUSED;
// One number.
bool expression_number(const char *text, double *value) WARN_UNUSED;
