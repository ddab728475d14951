// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Results that go back to a pool when the caller frees them, so that a steady stream allocates
// nothing.
#pragma once

#include "effdet/effdet.h"

struct result_pool;

struct result_pool *result_pool_new(void);
// Results that are still out keep the pool's memory alive.
void result_pool_free(struct result_pool **pool);
// A cleared result with room for `capacity` objects. Free-threaded.
EffdetResult *result_pool_take(struct result_pool *pool, guint capacity);
