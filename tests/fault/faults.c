// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What is to fail, what was called, and the interface that sets and reads both.
#include "layer.h"

#include <stdio.h>
#include <string.h>

#define MAX_RULES 32

static const struct {
    const char *name;
    unsigned may;
} calls[N_CALLS] = {
#define X(name, may) {#name, may},
    CALLS(X)
#undef X
};

static const struct {
    const char *name;
    VkResult result;
} results[] = {
#define X(name) {#name, name},
    X(VK_NOT_READY) X(VK_TIMEOUT) X(VK_INCOMPLETE) X(VK_ERROR_OUT_OF_HOST_MEMORY)
        X(VK_ERROR_OUT_OF_DEVICE_MEMORY) X(VK_ERROR_INITIALIZATION_FAILED) X(VK_ERROR_DEVICE_LOST)
            X(VK_ERROR_MEMORY_MAP_FAILED) X(VK_ERROR_LAYER_NOT_PRESENT)
                X(VK_ERROR_EXTENSION_NOT_PRESENT) X(VK_ERROR_FEATURE_NOT_PRESENT)
                    X(VK_ERROR_INCOMPATIBLE_DRIVER) X(VK_ERROR_TOO_MANY_OBJECTS)
                        X(VK_ERROR_FRAGMENTED_POOL) X(VK_ERROR_UNKNOWN)
                            X(VK_ERROR_OUT_OF_POOL_MEMORY) X(VK_ERROR_INVALID_SHADER_NV)
#undef X
};

struct rule {
    enum call call;
    unsigned left; // calls until it fails; 0: done
    VkResult result;
    bool lose;
};

static struct rule rules[MAX_RULES];
static int n_rules;
static unsigned counts[N_CALLS], n_injected;
bool no_compute;
int64_t frame_ns = -1;

static enum call find_call(const char *name)
{
    int i = 0;
    while (i < N_CALLS && strcmp(calls[i].name, name) != 0) {
        i++;
    }
    return (enum call)i;
}

static bool parse_result(const char *text, struct rule *rule)
{
    char *end;
    rule->lose = strcmp(text, "lose") == 0;
    rule->result = rule->lose ? VK_ERROR_DEVICE_LOST : (VkResult)strtol(text, &end, 10);
    if (rule->lose || (*text && !*end && rule->result != VK_SUCCESS)) {
        return true;
    }
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        if (strcmp(results[i].name, text) == 0) {
            rule->result = results[i].result;
            return true;
        }
    }
    return false;
}

// "CALL:N:RESULT"
static bool parse_rule(const char *text, size_t length, struct rule *rule)
{
    char call[64], result[64], copy[160];
    int used = 0;
    if (length >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (sscanf(copy, "%63[^:]:%u:%63s%n", call, &rule->left, result, &used) != 3 ||
        (size_t)used != length || rule->left == 0) {
        return false;
    }
    rule->call = find_call(call);
    return rule->call < N_CALLS && parse_result(result, rule);
}

static bool set(const char *text)
{
    struct rule parsed[MAX_RULES];
    int n = 0;
    for (const char *at = text; at && *at;) {
        size_t length = strcspn(at, ",");
        if (n == MAX_RULES || !parse_rule(at, length, &parsed[n++])) {
            return false;
        }
        at += length + (at[length] == ',');
    }
    pthread_mutex_lock(&lock);
    memcpy(rules, parsed, (size_t)n * sizeof *rules);
    n_rules = n;
    n_injected = 0;
    pthread_mutex_unlock(&lock);
    return true;
}

VkResult faults_check(enum call call, struct device_chain *device)
{
    VkResult result = VK_SUCCESS;
    pthread_mutex_lock(&lock);
    counts[call]++;
    for (int i = 0; i < n_rules; i++) {
        if (rules[i].call == call && rules[i].left > 0 && --rules[i].left == 0) {
            result = rules[i].result;
            n_injected++;
            if (rules[i].lose) {
                lose_all();
            }
        }
    }
    if (result == VK_SUCCESS && device && device->lost && calls[call].may & MAY_LOSE) {
        result = VK_ERROR_DEVICE_LOST;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

// ---- the interface

static unsigned locked(const unsigned *value)
{
    pthread_mutex_lock(&lock);
    unsigned copy = *value;
    pthread_mutex_unlock(&lock);
    return copy;
}

static unsigned injected(void)
{
    return locked(&n_injected);
}

static unsigned count(const char *name)
{
    enum call call = find_call(name);
    return call < N_CALLS ? locked(&counts[call]) : 0;
}

static void reset_counts(void)
{
    pthread_mutex_lock(&lock);
    memset(counts, 0, sizeof counts);
    n_frames = 0;
    pthread_mutex_unlock(&lock);
}

static const char *call_name(unsigned index)
{
    return index < N_CALLS ? calls[index].name : NULL;
}

static bool may_return(const char *name, int result)
{
    enum call call = find_call(name);
    if (call == N_CALLS) {
        return false;
    }
    switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return call != CALL_vkResetFences && call != CALL_vkResetCommandBuffer;
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return true;
    case VK_ERROR_DEVICE_LOST:
        return calls[call].may & MAY_LOSE;
    case VK_ERROR_MEMORY_MAP_FAILED:
        return calls[call].may & MAY_MAP;
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
        return calls[call].may & MAY_POOL;
    case VK_ERROR_INITIALIZATION_FAILED:
        return calls[call].may & MAY_START;
    case VK_ERROR_INVALID_SHADER_NV:
        return calls[call].may & MAY_SHADER;
    default:
        return false;
    }
}

static void fake(int64_t us)
{
    pthread_mutex_lock(&lock);
    frame_ns = us < 0 ? -1 : us * 1000;
    pthread_mutex_unlock(&lock);
}

static unsigned frames(void)
{
    return locked(&n_frames);
}

static uint64_t memory(void)
{
    pthread_mutex_lock(&lock);
    uint64_t bytes = allocated_bytes;
    pthread_mutex_unlock(&lock);
    return bytes;
}

static void hang(bool on)
{
    pthread_mutex_lock(&lock);
    hanging = on;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void lose(void)
{
    pthread_mutex_lock(&lock);
    lose_all();
    pthread_mutex_unlock(&lock);
}

static void set_no_compute(bool on)
{
    pthread_mutex_lock(&lock);
    no_compute = on;
    pthread_mutex_unlock(&lock);
}

// ---- the environment

static bool is_one(const char *variable)
{
    const char *value = getenv(variable);
    return value && strcmp(value, "1") == 0;
}

static void read_environment(void)
{
    const char *faults = getenv("EFFDET_FAULT"), *ms = getenv("EFFDET_FAKE_DEVICE_MS");
    if (!set(faults)) {
        fprintf(stderr, "fault layer: EFFDET_FAULT=%s: \"CALL:N:RESULT,...\" wanted\n", faults);
    }
    if (ms && *ms) {
        char *end;
        double value = strtod(ms, &end);
        if (*end || !(value >= 0 && value <= 3600e3)) {
            fprintf(stderr, "fault layer: EFFDET_FAKE_DEVICE_MS=%s: milliseconds wanted\n", ms);
        } else {
            fake((int64_t)(value * 1000));
        }
    }
    hang(is_one("EFFDET_FAULT_HANG"));
    set_no_compute(is_one("EFFDET_FAULT_NO_COMPUTE"));
}

void faults_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_environment);
}

EXPORT const struct fault_interface *effdet_fault_interface(void);

const struct fault_interface *effdet_fault_interface(void)
{
    static const struct fault_interface interface = {
        .set = set,
        .injected = injected,
        .count = count,
        .reset_counts = reset_counts,
        .call_name = call_name,
        .may_return = may_return,
        .fake = fake,
        .frames = frames,
        .memory = memory,
        .hang = hang,
        .lose = lose,
        .no_compute = set_no_compute,
    };
    faults_start();
    return &interface;
}
