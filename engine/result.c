// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The result pool.
#include "result.h"

#include <string.h>

struct pooled {
    EffdetResult result; // first: what callers hold
    struct result_pool *pool;
    struct pooled *next;
    guint capacity;
};

struct result_pool {
    GMutex lock; // guards everything below
    struct pooled *idle;
    guint out;
    gboolean closed;
};

struct result_pool *result_pool_new(void)
{
    struct result_pool *pool = g_new0(struct result_pool, 1);
    g_mutex_init(&pool->lock);
    return pool;
}

static void destroy(struct result_pool *pool)
{
    for (struct pooled *item = pool->idle; item;) {
        struct pooled *next = item->next;
        g_free(item->result.objects);
        g_free(item);
        item = next;
    }
    g_mutex_clear(&pool->lock);
    g_free(pool);
}

void result_pool_free(struct result_pool **pool)
{
    struct result_pool *self = g_steal_pointer(pool);
    if (!self) {
        return;
    }
    g_mutex_lock(&self->lock);
    self->closed = TRUE;
    gboolean last = self->out == 0;
    g_mutex_unlock(&self->lock);
    if (last) {
        destroy(self);
    }
}

EffdetResult *result_pool_take(struct result_pool *pool, guint capacity)
{
    g_mutex_lock(&pool->lock);
    struct pooled *item = pool->idle;
    if (item) {
        pool->idle = item->next;
    }
    pool->out++;
    g_mutex_unlock(&pool->lock);
    if (!item) {
        item = g_new0(struct pooled, 1);
    }
    if (item->capacity < capacity) {
        item->result.objects = g_renew(EffdetObject, item->result.objects, capacity);
        item->capacity = capacity;
    }
    item->pool = pool;
    item->next = NULL;
    EffdetObject *objects = item->result.objects;
    item->result = (EffdetResult){.objects = objects};
    return &item->result;
}

void effdet_result_free(EffdetResult **result)
{
    struct pooled *item = (struct pooled *)g_steal_pointer(result);
    if (!item) {
        return;
    }
    struct result_pool *pool = item->pool;
    g_mutex_lock(&pool->lock);
    item->next = pool->idle;
    pool->idle = item;
    pool->out--;
    gboolean last = pool->closed && pool->out == 0;
    g_mutex_unlock(&pool->lock);
    if (last) {
        destroy(pool);
    }
}
