// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// An engine that stays loaded and runs frames on demand, for measurements interleaved with other
// programs; what the times mean and who asks is peers.py's business.
//
//     serve MODEL WEIGHTS PRECISION
//
// Prints one line of JSON when it is ready, and one for every line with a number of frames on
// standard input.
#include "effdet/effdet.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1920
#define HEIGHT 1080
#define WARM_UP_RUNS 3
#define MAX_RUNS 1000

enum clock { FRAME, PREPROCESS, NETWORK, DECODE, N_CLOCKS };

static guint8 pixels[WIDTH * HEIGHT * 3 / 2];
static double ms[N_CLOCKS][MAX_RUNS];

static int fail(const char *message)
{
    fprintf(stderr, "serve: %s\n", message);
    return EXIT_FAILURE;
}

static bool run_frame(EffdetEngine *engine, int i, GError **error)
{
    const EffdetFrame frame = {
        .format = EFFDET_FORMAT_NV12,
        .width = WIDTH,
        .height = HEIGHT,
        .planes = {{pixels, WIDTH}, {pixels + WIDTH * HEIGHT, WIDTH}},
        .matrix = EFFDET_MATRIX_BT709,
    };
    EffdetResult *result = NULL;
    gint64 begin = g_get_monotonic_time();
    if (effdet_engine_submit(engine, &frame, NULL, error) != EFFDET_OK ||
        effdet_engine_collect(engine, -1, &result, error) != EFFDET_OK) {
        return false;
    }
    ms[FRAME][i] = (double)(g_get_monotonic_time() - begin) / 1e3;
    ms[PREPROCESS][i] = (double)result->gpu_preprocess_us / 1e3;
    ms[NETWORK][i] = (double)result->gpu_network_us / 1e3;
    ms[DECODE][i] = (double)result->gpu_decode_us / 1e3;
    effdet_result_free(&result);
    return true;
}

static void print_times(int runs)
{
    static const char *const names[] = {"frame_ms", "preprocess_ms", "network_ms", "decode_ms"};
    for (int clock = 0; clock < N_CLOCKS; clock++) {
        printf("%s\"%s\": [", clock == 0 ? "{" : "], ", names[clock]);
        for (int i = 0; i < runs; i++) {
            printf("%s%.3f", i == 0 ? "" : ", ", ms[clock][i]);
        }
    }
    puts("]}");
    fflush(stdout);
}

static bool serve(EffdetEngine *engine, GError **error)
{
    char line[32];
    while (fgets(line, sizeof line, stdin)) {
        int runs = CLAMP(atoi(line), 1, MAX_RUNS);
        for (int i = 0; i < runs; i++) {
            if (!run_frame(engine, i, error)) {
                return false;
            }
        }
        print_times(runs);
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return fail("wanted the arguments MODEL WEIGHTS PRECISION (fp16 or fp32)");
    }
    const EffdetEngineParams params = {
        .model = argv[1],
        .weights = argv[2],
        .precision = strcmp(argv[3], "fp16") == 0 ? EFFDET_PRECISION_FP16 : EFFDET_PRECISION_FP32,
        .gpu_timeout_ms = G_MAXUINT,
    };
    g_autoptr(GError) error = NULL;
    EffdetEngine *engine = effdet_engine_new(&params, &error);
    if (!engine) {
        return fail(error->message);
    }
    const EffdetFilter filter = {.score_threshold = 0.4f, .iou_threshold = 0.5f};
    bool ok = effdet_engine_set_filter(engine, &filter, &error);
    for (guint i = 0; i < sizeof pixels; i++) {
        pixels[i] = (guint8)(16 + i % WIDTH * 3 % 200);
    }
    for (int i = 0; i < WARM_UP_RUNS && ok; i++) {
        ok = run_frame(engine, i, &error);
    }
    if (ok && ms[NETWORK][0] < 0) {
        effdet_engine_free(&engine);
        return fail("the device has no timestamps, the network cannot be timed alone");
    }
    if (ok) {
        const EffdetEngineInfo *info = effdet_engine_info(engine);
        printf("{\"version\": \"effdet\", \"device\": \"%s\", \"first_ms\": %.3f}\n", info->driver,
               info->start_ms);
        fflush(stdout);
        ok = serve(engine, &error);
    }
    effdet_engine_free(&engine);
    return ok ? EXIT_SUCCESS : fail(error->message);
}
