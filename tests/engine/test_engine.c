// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The public API on the real device: the submit and collect protocol, filters, sizes and formats in
// one stream, errors, and that a steady stream allocates nothing.
#define _GNU_SOURCE // dladdr
#include "effdet/effdet.h"
#include "engine_private.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// ---- allocation counting: malloc of this process, when called by the engine or by GLib on its
// behalf

static gint counting;
static gint heap_calls, vulkan_calls;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static bool is_ours(void *caller)
{
    Dl_info info, self;
    if (!dladdr(caller, &info) || !dladdr((void *)is_ours, &self) || !info.dli_fname) {
        return false; // compiled by the driver
    }
    return info.dli_fbase == self.dli_fbase || strstr(info.dli_fname, "libglib");
}

static void note(void *caller)
{
    if (g_atomic_int_get(&counting) && is_ours(caller)) {
        g_atomic_int_inc(&heap_calls);
    }
}

void *malloc(size_t size)
{
    note(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    note(__builtin_return_address(0));
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    note(__builtin_return_address(0));
    return __libc_realloc(memory, size);
}
#endif

#define COUNTED(name, arguments, ...)                                                              \
    static PFN_##name real_##name;                                                                 \
    static VKAPI_ATTR VkResult VKAPI_CALL counted_##name arguments                                 \
    {                                                                                              \
        vulkan_calls += counting;                                                                  \
        return real_##name(__VA_ARGS__);                                                           \
    }
COUNTED(vkAllocateMemory,
        (VkDevice d, const VkMemoryAllocateInfo *i, const VkAllocationCallbacks *a,
         VkDeviceMemory *m),
        d, i, a, m)
COUNTED(vkCreateBuffer,
        (VkDevice d, const VkBufferCreateInfo *i, const VkAllocationCallbacks *a, VkBuffer *b), d,
        i, a, b)
COUNTED(vkCreateBufferView,
        (VkDevice d, const VkBufferViewCreateInfo *i, const VkAllocationCallbacks *a,
         VkBufferView *b),
        d, i, a, b)
COUNTED(vkAllocateDescriptorSets,
        (VkDevice d, const VkDescriptorSetAllocateInfo *i, VkDescriptorSet *s), d, i, s)
COUNTED(vkAllocateCommandBuffers,
        (VkDevice d, const VkCommandBufferAllocateInfo *i, VkCommandBuffer *c), d, i, c)
COUNTED(vkCreateFence,
        (VkDevice d, const VkFenceCreateInfo *i, const VkAllocationCallbacks *a, VkFence *f), d, i,
        a, f)
COUNTED(vkBeginCommandBuffer, (VkCommandBuffer c, const VkCommandBufferBeginInfo *i), c, i)

static void count_vulkan(struct device *device)
{
#define HOOK(name)                                                                                 \
    real_##name = device->vk.name;                                                                 \
    device->vk.name = counted_##name
    HOOK(vkAllocateMemory);
    HOOK(vkCreateBuffer);
    HOOK(vkCreateBufferView);
    HOOK(vkAllocateDescriptorSets);
    HOOK(vkAllocateCommandBuffers);
    HOOK(vkCreateFence);
    HOOK(vkBeginCommandBuffer);
#undef HOOK
}

// ---- helpers

static guint8 pixels[4 * 640 * 480];

static EffdetFrame make_frame(guint width, guint height, EffdetFormat format)
{
    for (gsize i = 0; i < sizeof pixels; i++) {
        pixels[i] = (guint8)(i * 2654435761u >> 24);
    }
    EffdetFrame frame = {.format = format, .width = width, .height = height};
    gsize offset = 0;
    for (int p = 0; p < format_info(format)->n_planes; p++) {
        gsize row = format_row_bytes(format, p, width);
        frame.planes[p] = (EffdetPlane){pixels + offset, row};
        offset += row * format_rows(format, p, height);
    }
    return frame;
}

static EffdetEngine *open_engine(guint depth)
{
    g_autoptr(GError) error = NULL;
    EffdetEngineParams params = {.model = "lite0",
                                 .random_weights = TRUE,
                                 .input_width = 96,
                                 .input_height = 64,
                                 .queue_depth = depth,
                                 .device = g_getenv("EFFDET_TEST_DEVICE")};
    EffdetEngine *engine = effdet_engine_new(&params, &error);
    g_assert_no_error(error);
    g_assert_nonnull(engine);
    return engine;
}

static EffdetResult *collect(EffdetEngine *engine)
{
    g_autoptr(GError) error = NULL;
    EffdetResult *result = NULL;
    EffdetStatus status = effdet_engine_collect(engine, -1, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, EFFDET_OK);
    return result;
}

static void set_threshold(EffdetEngine *engine, float score)
{
    g_autoptr(GError) error = NULL;
    EffdetFilter filter = {.score_threshold = score, .iou_threshold = 0.5f, .max_detections = 50};
    g_assert_true(effdet_engine_set_filter(engine, &filter, &error));
}

// ---- tests

static void test_protocol(void)
{
    EffdetEngine *engine = open_engine(3);
    EffdetFrame frame = make_frame(320, 240, EFFDET_FORMAT_RGB);
    EffdetResult *result = NULL;
    g_assert_cmpint(effdet_engine_collect(engine, -1, &result, NULL), ==, EFFDET_AGAIN);
    for (guint i = 0; i < 3; i++) {
        g_assert_cmpint(effdet_engine_submit(engine, &frame, GUINT_TO_POINTER(i + 1), NULL), ==,
                        EFFDET_OK);
    }
    g_assert_cmpuint(effdet_engine_in_flight(engine), ==, 3);
    g_assert_cmpint(effdet_engine_submit(engine, &frame, NULL, NULL), ==, EFFDET_BUSY);
    for (guint i = 0; i < 3; i++) {
        result = collect(engine);
        g_assert_cmpuint(GPOINTER_TO_UINT(result->cookie), ==, i + 1);
        g_assert_cmpint(result->latency_us, >, 0);
        effdet_result_free(&result);
        g_assert_null(result);
    }
    g_assert_cmpuint(effdet_engine_in_flight(engine), ==, 0);
    // freeing with frames in flight, and results that outlive the engine
    g_assert_cmpint(effdet_engine_submit(engine, &frame, NULL, NULL), ==, EFFDET_OK);
    result = collect(engine);
    g_assert_cmpint(effdet_engine_submit(engine, &frame, NULL, NULL), ==, EFFDET_OK);
    effdet_engine_free(&engine);
    g_assert_null(engine);
    effdet_engine_free(&engine);
    effdet_result_free(&result);
}

// The same picture gives the same objects whatever was in flight before, in every size and format.
static void test_stream(void)
{
    EffdetEngine *engine = open_engine(2);
    set_threshold(engine, 0.2f);
    EffdetFrame wanted_frame = make_frame(97, 61, EFFDET_FORMAT_BGRX);
    g_assert_cmpint(effdet_engine_submit(engine, &wanted_frame, NULL, NULL), ==, EFFDET_OK);
    EffdetResult *wanted = collect(engine);
    g_assert_cmpuint(wanted->n_candidates, >, 0);
    for (int format = 0; format < EFFDET_N_FORMATS; format++) {
        EffdetFrame frame =
            make_frame(format % 2 ? 639 : 2, format % 3 ? 1 : 479, (EffdetFormat)format);
        g_assert_cmpint(effdet_engine_submit(engine, &frame, NULL, NULL), ==, EFFDET_OK);
        g_assert_cmpint(effdet_engine_submit(engine, &wanted_frame, NULL, NULL), ==, EFFDET_OK);
        EffdetResult *first = collect(engine), *second = collect(engine);
        for (guint i = 0; i < first->n_objects; i++) {
            const EffdetObject *object = &first->objects[i];
            g_assert_cmpfloat(object->x, >=, 0);
            g_assert_cmpfloat(object->x + object->w, <=, frame.width + 0.01);
            g_assert_cmpfloat(object->y + object->h, <=, frame.height + 0.01);
            g_assert_true(i == 0 || object->confidence <= object[-1].confidence);
        }
        g_assert_cmpuint(second->n_objects, ==, wanted->n_objects);
        g_assert_cmpmem(second->objects, second->n_objects * sizeof(EffdetObject), wanted->objects,
                        wanted->n_objects * sizeof(EffdetObject));
        effdet_result_free(&first);
        effdet_result_free(&second);
    }
    effdet_result_free(&wanted);
    effdet_engine_free(&engine);
}

static gpointer collector(gpointer data)
{
    EffdetEngine *engine = data;
    for (int i = 0; i < 40;) {
        EffdetResult *result = NULL;
        EffdetStatus status = effdet_engine_collect(engine, 100000, &result, NULL);
        g_assert_cmpint(status, !=, EFFDET_FAILED);
        if (status == EFFDET_OK) {
            g_assert_cmpint(GPOINTER_TO_INT(result->cookie), ==, i++);
            effdet_result_free(&result);
        } else {
            g_thread_yield();
        }
    }
    return NULL;
}

static void test_two_threads(void)
{
    EffdetEngine *engine = open_engine(2);
    EffdetFrame frame = make_frame(64, 48, EFFDET_FORMAT_NV12);
    GThread *thread = g_thread_new("collector", collector, engine);
    for (int i = 0; i < 40;) {
        EffdetStatus status = effdet_engine_submit(engine, &frame, GINT_TO_POINTER(i), NULL);
        g_assert_cmpint(status, !=, EFFDET_FAILED);
        i += status == EFFDET_OK;
        set_threshold(engine, (float)(i % 10) / 10);
        g_thread_yield();
    }
    g_thread_join(thread);
    effdet_engine_free(&engine);
}

static void test_filter(void)
{
    g_autoptr(GError) error = NULL;
    EffdetEngine *engine = open_engine(1);
    EffdetFilter filter = {
        .score_threshold = 0.1f, .iou_threshold = 0.5f, .classes = "person,car,-2"};
    g_assert_true(effdet_engine_set_filter(engine, &filter, &error));
    EffdetFrame frame = make_frame(320, 240, EFFDET_FORMAT_RGB);
    g_assert_cmpint(effdet_engine_submit(engine, &frame, NULL, NULL), ==, EFFDET_OK);
    EffdetResult *result = collect(engine);
    for (guint i = 0; i < result->n_objects; i++) {
        g_assert_cmpint(result->objects[i].label_id, ==, 0);
        g_assert_cmpfloat(result->objects[i].confidence, >=, 0.1);
    }
    effdet_result_free(&result);
    filter.classes = "unicorn";
    g_assert_false(effdet_engine_set_filter(engine, &filter, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
    g_assert_nonnull(strstr(error->message, "unicorn"));
    g_assert_nonnull(strstr(error->message, "person"));
    effdet_engine_free(&engine);
}

static void expect_error(const EffdetEngineParams *params, int code, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(effdet_engine_new(params, &error));
    g_assert_error(error, EFFDET_ERROR, code);
    if (!g_pattern_match_simple(pattern, error->message) || strchr(error->message, '\n')) {
        g_test_message("'%s' does not match '%s'", error->message, pattern);
        g_assert_not_reached();
    }
}

// A wish holds as it is; without one no fast device waits longer than the default.
static void test_timeout(void)
{
    for (guint wanted = 0; wanted <= 1234; wanted += 1234) {
        g_autoptr(GError) error = NULL;
        EffdetEngineParams params = {.model = "lite0",
                                     .random_weights = TRUE,
                                     .input_width = 96,
                                     .input_height = 64,
                                     .queue_depth = 2,
                                     .gpu_timeout_ms = wanted,
                                     .device = g_getenv("EFFDET_TEST_DEVICE")};
        EffdetEngine *engine = effdet_engine_new(&params, &error);
        g_assert_no_error(error);
        if (wanted) {
            g_assert_cmpuint(engine->timeout_ms, ==, wanted);
        } else {
            g_assert_cmpuint(engine->timeout_ms, >=, 5000);
            g_assert_cmpuint(engine->timeout_ms, <, 300000);
        }
        effdet_engine_free(&engine);
    }
}

static void test_errors(void)
{
    expect_error(&(EffdetEngineParams){.model = "d1"}, EFFDET_ERROR_NOT_FOUND,
                 "*d1*effdet fetch d1*");
    expect_error(&(EffdetEngineParams){.model = "no-such-model"}, EFFDET_ERROR_NOT_FOUND,
                 "*no-such-model*");
    expect_error(&(EffdetEngineParams){.model = "x", .random_weights = TRUE},
                 EFFDET_ERROR_BAD_VALUE, "*architecture*");
    expect_error(&(EffdetEngineParams){.queue_depth = 17}, EFFDET_ERROR_BAD_VALUE, "*17*1 to 16*");
    expect_error(&(EffdetEngineParams){.input_width = 9999, .input_height = 9},
                 EFFDET_ERROR_BAD_VALUE, "*9999x9*");
    expect_error(&(EffdetEngineParams){.input_width = 320}, EFFDET_ERROR_BAD_VALUE, "*320x0*");
    expect_error(&(EffdetEngineParams){.plan = "tpu"}, EFFDET_ERROR_BAD_VALUE, "*tpu*");
    expect_error(
        &(EffdetEngineParams){.model = "lite0", .random_weights = TRUE, .device = "no such card"},
        EFFDET_ERROR_NOT_FOUND, "*no such card*");
    EffdetEngine *engine = open_engine(1);
    g_autoptr(GError) error = NULL;
    EffdetFrame frame = {.format = EFFDET_FORMAT_RGB};
    g_assert_cmpint(effdet_engine_submit(engine, &frame, NULL, &error), ==, EFFDET_FAILED);
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
    g_assert_cmpuint(effdet_engine_in_flight(engine), ==, 0);
    effdet_engine_free(&engine);
}

static void test_no_allocation(void)
{
    EffdetEngine *engine = open_engine(2);
    set_threshold(engine, 0.3f);
    count_vulkan(engine->device);
    EffdetFrame frame = make_frame(640, 480, EFFDET_FORMAT_NV12);
    for (int i = 0; i < 12; i++) {
        g_assert_cmpint(effdet_engine_submit(engine, &frame, NULL, NULL), ==, EFFDET_OK);
        EffdetResult *result = collect(engine);
        effdet_result_free(&result);
        g_atomic_int_set(&counting, i >= 3 && i < 11); // after warm-up
    }
    g_test_message("%d heap and %d Vulkan allocations in 8 frames", heap_calls, vulkan_calls);
    g_assert_cmpint(heap_calls, ==, 0);
    g_assert_cmpint(vulkan_calls, ==, 0);
    // the counters work
    g_atomic_int_set(&counting, 1);
    gpointer probe = g_malloc(17);
    struct buffer buffer = {0};
    g_assert_true(buffer_init(&buffer, engine->device, 64, MEMORY_UPLOAD, NULL));
    g_atomic_int_set(&counting, 0);
    buffer_finish(&buffer, engine->device);
    g_free(probe);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    g_assert_cmpint(heap_calls, >, 0);
#endif
    g_assert_cmpint(vulkan_calls, >, 0);
    effdet_engine_free(&engine);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/protocol", test_protocol);
    g_test_add_func("/engine/stream", test_stream);
    g_test_add_func("/engine/two-threads", test_two_threads);
    g_test_add_func("/engine/filter", test_filter);
    g_test_add_func("/engine/timeout", test_timeout);
    g_test_add_func("/engine/errors", test_errors);
    g_test_add_func("/engine/no-allocation", test_no_allocation);
    return g_test_run();
}
