// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Preloaded in the pass under ThreadSanitizer: tells it what GLib's locks order. They are futexes
// in a library without instrumentation, so that each use of one would be a race. A header in their
// place would see our own calls alone: here those of GStreamer pass as well, such as the object
// locks, the bus and the tasks. What GLib builds on pthreads (GRecMutex, GRWLock, threads) is
// seen without help.
#include <dlfcn.h>
#include <glib.h>

// Not there in programs without the sanitizer, which inherit the environment.
void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));

static void acquire(gpointer address)
{
    if (__tsan_acquire != NULL) {
        __tsan_acquire(address);
    }
}

static void release(gpointer address)
{
    if (__tsan_release != NULL) {
        __tsan_release(address);
    }
}

// Looked up before main(), when there is one thread.
#define REAL(type, name, ...)                                                                      \
    static type (*real_##name)(__VA_ARGS__);                                                       \
    __attribute__((constructor)) static void find_##name(void)                                     \
    {                                                                                              \
        real_##name = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name);                               \
    }

// Constructors of libraries that come earlier lock too.
#define CALL(name) (real_##name != NULL ? real_##name : (find_##name(), real_##name))

#undef g_once_init_enter
#undef g_once_init_leave

REAL(void, g_mutex_lock, GMutex *)
void g_mutex_lock(GMutex *mutex)
{
    CALL(g_mutex_lock)(mutex);
    acquire(mutex);
}

REAL(void, g_mutex_unlock, GMutex *)
void g_mutex_unlock(GMutex *mutex)
{
    release(mutex);
    CALL(g_mutex_unlock)(mutex);
}

REAL(gboolean, g_mutex_trylock, GMutex *)
gboolean g_mutex_trylock(GMutex *mutex)
{
    gboolean locked = CALL(g_mutex_trylock)(mutex);

    if (locked) {
        acquire(mutex);
    }
    return locked;
}

REAL(void, g_cond_wait, GCond *, GMutex *)
void g_cond_wait(GCond *cond, GMutex *mutex)
{
    release(mutex);
    CALL(g_cond_wait)(cond, mutex);
    acquire(mutex);
}

REAL(gboolean, g_cond_wait_until, GCond *, GMutex *, gint64)
gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_us)
{
    gboolean signalled;

    release(mutex);
    signalled = CALL(g_cond_wait_until)(cond, mutex, end_us);
    acquire(mutex);
    return signalled;
}

// The reader's half is an atomic load of the place, inlined into its caller, or what waits here
// while another thread is at it.
REAL(gboolean, g_once_init_enter, volatile void *)
gboolean(g_once_init_enter)(volatile void *place)
{
    gboolean first = CALL(g_once_init_enter)(place);

    if (!first) {
        acquire((gpointer)place);
    }
    return first;
}

REAL(void, g_once_init_leave, volatile void *, gsize)
void(g_once_init_leave)(volatile void *place, gsize value)
{
    release((gpointer)place);
    CALL(g_once_init_leave)(place, value);
}

// ---- queues: GLib takes their locks by calls that cannot be redirected

REAL(void, g_async_queue_push, GAsyncQueue *, gpointer)
void g_async_queue_push(GAsyncQueue *queue, gpointer data)
{
    release(queue);
    CALL(g_async_queue_push)(queue, data);
}

REAL(void, g_async_queue_push_unlocked, GAsyncQueue *, gpointer)
void g_async_queue_push_unlocked(GAsyncQueue *queue, gpointer data)
{
    release(queue);
    CALL(g_async_queue_push_unlocked)(queue, data);
}

#define POP(name, parameters, arguments, ...)                                                      \
    REAL(gpointer, name, __VA_ARGS__)                                                              \
    gpointer name parameters                                                                       \
    {                                                                                              \
        gpointer data = CALL(name) arguments;                                                      \
        acquire(queue);                                                                            \
        return data;                                                                               \
    }
POP(g_async_queue_pop, (GAsyncQueue * queue), (queue), GAsyncQueue *)
POP(g_async_queue_pop_unlocked, (GAsyncQueue * queue), (queue), GAsyncQueue *)
POP(g_async_queue_try_pop, (GAsyncQueue * queue), (queue), GAsyncQueue *)
POP(g_async_queue_try_pop_unlocked, (GAsyncQueue * queue), (queue), GAsyncQueue *)
POP(g_async_queue_timeout_pop, (GAsyncQueue * queue, guint64 timeout_us), (queue, timeout_us),
    GAsyncQueue *, guint64)
