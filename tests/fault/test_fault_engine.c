// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The engine's whole life with every call of Vulkan failing once: one line that says which and what
// to do, or a way around it, and the next try works. A device that hangs or is lost ends in time.
#include "fault.h"
#include "gpu_test.h"

#include <string.h>

#define MAX_PLACES 8

static const struct fault_interface *fault;

// Where the engine has a way around, or does without.
static bool has_fallback(const char *call)
{
    static const char *const calls[] = {
        "vkAllocateMemory",
        "vkMapMemory",
        "vkEnumerateDeviceExtensionProperties",
        "vkCreatePipelineCache",
        "vkGetPipelineCacheData",
        "vkGetQueryPoolResults",
        NULL,
    };
    return g_strv_contains(calls, call);
}

static guint timeout_ms = 200;

static EffdetEngine *make(GError **error)
{
    EffdetEngineParams params = {.model = "lite0",
                                 .random_weights = TRUE,
                                 .input_width = 64,
                                 .input_height = 64,
                                 .gpu_timeout_ms = timeout_ms,
                                 .tune = -1};
    return effdet_engine_new(&params, error);
}

static EffdetStatus submit(EffdetEngine *engine, guint side, GError **error)
{
    static const guint8 grey[128 * 128];
    EffdetFrame frame = {
        .format = EFFDET_FORMAT_GRAY8, .width = side, .height = side, .planes = {{grey, 128}}};
    return effdet_engine_submit(engine, &frame, NULL, error);
}

static EffdetStatus collect(EffdetEngine *engine, GError **error)
{
    EffdetResult *result = NULL;
    EffdetStatus status = effdet_engine_collect(engine, -1, &result, error);
    effdet_result_free(&result);
    return status;
}

// Threads that help with compiling, on devices of their own, give up with a message: on a machine
// so busy that a kernel takes long enough for them to be called.
static char *helper_message;
static GMutex helper_lock;

static void note_helper(int level, const gchar *message, gpointer user_data)
{
    if (strstr(message, "one thread less compiles pipelines")) {
        g_mutex_lock(&helper_lock);
        g_free(helper_message);
        helper_message = g_strdup(message);
        g_mutex_unlock(&helper_lock);
    }
}

static bool helper_gave_up(const char *call)
{
    g_mutex_lock(&helper_lock);
    g_autofree char *message = g_steal_pointer(&helper_message);
    g_mutex_unlock(&helper_lock);
    return message && strstr(message, call);
}

static GError *passing; // of a try after which another one worked

// A frame; what lacks memory is tried once more and has to work then.
static bool run_frame(EffdetEngine *engine, guint side, GError **error)
{
    for (int step = 0; step < 2; step++) {
        g_autoptr(GError) first = NULL;
        EffdetStatus status = step == 0 ? submit(engine, side, &first) : collect(engine, &first);
        g_assert_true((status == EFFDET_FAILED) == (first != NULL));
        if (g_error_matches(first, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY)) {
            passing = g_steal_pointer(&first);
            status = step == 0 ? submit(engine, side, &first) : collect(engine, &first);
            if (step == 1 && status == EFFDET_AGAIN) { // the frame went with the error
                step = -1;
                continue;
            }
        }
        if (status != EFFDET_OK) {
            g_propagate_error(error, g_steal_pointer(&first));
            return false;
        }
    }
    return true;
}

static bool live(GError **error)
{
    EffdetEngine *engine = make(error);
    bool ok = engine != NULL;
    for (guint i = 0; ok && i < 3; i++) {
        ok = run_frame(engine, i < 2 ? 64 : 128, error);
    }
    effdet_engine_free(&engine);
    g_assert_null(engine);
    return ok;
}

static void check_error(const char *call, VkResult result, const GError *error)
{
    static const struct {
        VkResult result;
        EffdetErrorCode code;
    } codes[] = {
        {VK_ERROR_OUT_OF_HOST_MEMORY, EFFDET_ERROR_OUT_OF_MEMORY},
        {VK_ERROR_OUT_OF_DEVICE_MEMORY, EFFDET_ERROR_OUT_OF_MEMORY},
        {VK_ERROR_DEVICE_LOST, EFFDET_ERROR_DEVICE_LOST},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (codes[i].result == result) {
            EffdetErrorCode code = codes[i].code;
            if (i == 0 && g_str_equal(call, "vkCreateInstance")) {
                code = EFFDET_ERROR_NO_VULKAN; // loaders say so of damaged files
            }
            g_assert_error(error, EFFDET_ERROR, (int)code);
        }
    }
    // The loader asks for extensions itself when a device is made.
    const char *asked = g_str_equal(call, "vkEnumerateDeviceExtensionProperties") &&
                                strstr(error->message, "vkCreateDevice")
                            ? "vkCreateDevice"
                            : call;
    bool memory = strstr(error->message, "bytes of memory wanted") != NULL;
    if (!strstr(error->message, asked) && !(memory && has_fallback(call))) {
        g_error("\"%s\" does not name %s", error->message, call);
    }
    g_assert_nonnull(strstr(error->message, ": ")); // and what to do
    g_assert_null(strchr(error->message, '\n'));
}

static void fail_at(const char *call, unsigned place, VkResult result)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *rule = g_strdup_printf("%s:%u:%d", call, place, (int)result);
    g_assert_true(fault->set(rule));
    bool ok = live(&error);
    if (fault->injected() == 0) { // a cache made the engine call it less often
        g_assert_true(ok);
        return;
    }
    if (ok && passing) {
        check_error(call, result, passing);
        g_clear_error(&passing);
    } else if (ok) {
        if (!helper_gave_up(call) && !has_fallback(call)) {
            g_error("%s: nobody noticed", rule);
        }
    } else if (!error) {
        g_error("%s: failed without an error", rule);
    } else {
        check_error(call, result, error);
    }
}

// The first calls, the last ones, and some between.
static int choose_places(unsigned n, unsigned places[MAX_PLACES])
{
    const unsigned wanted[MAX_PLACES] = {1, 2, 3, n / 3, n / 2, n - n / 8, n - 1, n};
    int found = 0;
    for (int i = 0; i < MAX_PLACES; i++) {
        if (wanted[i] >= 1 && wanted[i] <= n && (!found || wanted[i] > places[found - 1])) {
            places[found++] = wanted[i];
        }
    }
    return found;
}

static void test_call(gconstpointer data)
{
    static const VkResult results[] = {VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_OUT_OF_DEVICE_MEMORY,
                                       VK_ERROR_DEVICE_LOST};
    const char *call = data;
    g_autoptr(GError) error = NULL;
    unsigned places[MAX_PLACES];
    fault->set(NULL);
    fault->reset_counts();
    g_assert_true(live(&error));
    const unsigned n = fault->count(call);
    if (n == 0) {
        g_test_message("%s is not called here", call);
        return;
    }
    const int n_places = choose_places(n, places);
    for (size_t r = 0; r < G_N_ELEMENTS(results); r++) {
        for (int i = 0; fault->may_return(call, results[r]) && i < n_places; i++) {
            fail_at(call, places[i], results[r]);
        }
    }
    fault->set(NULL);
    g_assert_true(live(&error));
    g_assert_no_error(error);
}

// Long enough without an answer: an error in about that time, and the end comes as well.
static void test_hang(void)
{
    g_autoptr(GError) error = NULL;
    EffdetEngine *engine = make(&error);
    g_assert_no_error(error);
    fault->hang(true);
    g_assert_cmpint(submit(engine, 64, &error), ==, EFFDET_OK);
    gint64 start_us = g_get_monotonic_time();
    g_assert_cmpint(collect(engine, &error), ==, EFFDET_FAILED);
    gint64 took_ms = (g_get_monotonic_time() - start_us) / 1000;
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
    g_assert_nonnull(strstr(error->message, "200 ms"));
    g_assert_cmpint(took_ms, >=, 200);
    g_assert_cmpint(took_ms, <, 1000);
    g_clear_error(&error);
    g_assert_cmpint(submit(engine, 64, &error), ==, EFFDET_FAILED);
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
    g_clear_error(&error);
    start_us = g_get_monotonic_time();
    effdet_engine_free(&engine);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 5 * G_USEC_PER_SEC);
    fault->hang(false);
    g_assert_true(live(&error));
}

// Before any frame was ever seen to finish.
static void test_hang_at_start(void)
{
    g_autoptr(GError) error = NULL;
    struct device *device = device_new(NULL, &error); // engines share it
    g_assert_no_error(error);
    device->patience_ns = 300 * 1000000;
    fault->hang(true);
    gint64 start_us = g_get_monotonic_time();
    g_assert_null(make(&error));
    gint64 took_ms = (g_get_monotonic_time() - start_us) / 1000;
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
    g_assert_nonnull(strstr(error->message, device->name));
    g_assert_cmpint(took_ms, >=, 300);
    g_assert_cmpint(took_ms, <, 10000);
    g_clear_error(&error);
    device_free(&device);
    fault->hang(false);
    g_assert_true(live(&error));
}

// A frame of many submissions, one of which is refused: those before it run, and are waited for.
static void test_pieces(void)
{
    g_autoptr(GError) error = NULL;
    g_setenv("EFFDET_SUBMIT_MS", "0", TRUE);
    fault->fake(-1); // what takes no time is not split
    timeout_ms = 60000;
    EffdetEngine *engine = make(&error);
    g_assert_no_error(error);
    g_assert_true(run_frame(engine, 64, &error)); // the first of its format
    fault->reset_counts();
    g_assert_true(run_frame(engine, 64, &error));
    const unsigned n = fault->count("vkQueueSubmit");
    g_assert_cmpuint(n, >, 20);
    for (unsigned place = 1; place <= n; place += n / 5) {
        g_autofree char *rule =
            g_strdup_printf("vkQueueSubmit:%u:%d", place, (int)VK_ERROR_OUT_OF_DEVICE_MEMORY);
        g_assert_true(fault->set(rule));
        g_assert_true(run_frame(engine, 64, &error)); // the second try
        g_assert_cmpuint(fault->injected(), ==, 1);
        g_assert_error(passing, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY);
        g_clear_error(&passing);
    }
    g_autofree char *rule = g_strdup_printf("vkQueueSubmit:%u:VK_ERROR_DEVICE_LOST", n / 2);
    g_assert_true(fault->set(rule));
    g_assert_false(run_frame(engine, 64, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
    g_clear_error(&error);
    fault->set(NULL);
    effdet_engine_free(&engine);

    // those before it never end
    struct device *device = device_new(NULL, &error);
    g_assert_no_error(error);
    engine = make(&error);
    g_assert_no_error(error);
    device->patience_ns = 300 * 1000000;
    g_assert_true(fault->set("vkQueueSubmit:3:VK_ERROR_OUT_OF_DEVICE_MEMORY"));
    fault->hang(true);
    gint64 start_us = g_get_monotonic_time();
    g_assert_cmpint(submit(engine, 64, &error), ==, EFFDET_FAILED);
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY);
    g_clear_error(&error);
    g_assert_cmpint(submit(engine, 64, &error), ==, EFFDET_FAILED);
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
    g_clear_error(&error);
    effdet_engine_free(&engine);
    device_free(&device);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 5 * G_USEC_PER_SEC);
    fault->hang(false);
    fault->set(NULL);
    g_unsetenv("EFFDET_SUBMIT_MS");
    fault->fake(0);
    timeout_ms = 200;
    g_assert_true(live(&error));
}

// Lost in the middle: every frame in flight fails, at once, and a new engine works.
static void test_lost(void)
{
    g_autoptr(GError) error = NULL;
    EffdetEngine *engine = make(&error);
    g_assert_no_error(error);
    fault->fake(100000);
    g_assert_cmpint(submit(engine, 64, &error), ==, EFFDET_OK);
    g_assert_cmpint(submit(engine, 64, &error), ==, EFFDET_OK);
    fault->lose();
    for (int i = 0; i < 2; i++) {
        g_assert_cmpint(collect(engine, &error), ==, EFFDET_FAILED);
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
        g_clear_error(&error);
    }
    effdet_engine_free(&engine);
    fault->fake(0);
    timeout_ms = 200;
    g_assert_true(live(&error));
}

int main(int argc, char **argv)
{
    gpu_test_init(&argc, &argv);
    effdet_set_log_func(note_helper, NULL);
    fault = fault_interface();
    g_assert_nonnull(fault);
    fault->fake(0);
    g_autofree char *reason = NULL;
    g_ptr_array_unref(effdet_devices(&reason));
    for (unsigned i = 0; !reason && fault->call_name(i); i++) {
        g_autofree char *path = g_strdup_printf("/fault/engine/%s", fault->call_name(i));
        g_test_add_data_func(path, fault->call_name(i), test_call);
    }
    if (!reason) {
        g_test_add_func("/fault/engine/hang", test_hang);
        g_test_add_func("/fault/engine/hang-at-start", test_hang_at_start);
        g_test_add_func("/fault/engine/pieces", test_pieces);
        g_test_add_func("/fault/engine/lost", test_lost);
    }
    return gpu_test_run();
}
