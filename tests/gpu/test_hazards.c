// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The derived barriers against an oracle that looks at all pairs of commands: every hazard is
// covered, and no barrier is put without one. No device needed.
#include "gpu_test.h"

#include <string.h>

#include "gpu/hazards.h"

#define MAX_COMMANDS 60
#define MAX_ACCESSES 4

struct command {
    struct access accesses[MAX_ACCESSES];
    int count;
    struct barrier barrier; // in front of it
};

static bool overlap(const struct access *a, const struct access *b)
{
    return a->buffer == b->buffer && a->begin < b->end && b->begin < a->end &&
           (a->write || b->write);
}

// Whether some barrier in (from, to] orders the two kinds.
static bool ordered(const struct command *commands, int from, int to, unsigned kind_from,
                    unsigned kind_to)
{
    for (int i = from + 1; i <= to; i++) {
        if ((commands[i].barrier.from & kind_from) && (commands[i].barrier.to & kind_to)) {
            return true;
        }
    }
    return false;
}

// Finds a hazard of command `to` with an earlier one that no barrier covers; with `without`, the
// barrier in front of `to` is left out.
static bool uncovered(struct command *commands, int to, bool without)
{
    struct barrier saved = commands[to].barrier;
    bool found = false;
    if (without) {
        commands[to].barrier = (struct barrier){0};
    }
    for (int from = 0; from < to && !found; from++) {
        for (int a = 0; a < commands[from].count; a++) {
            for (int b = 0; b < commands[to].count; b++) {
                const struct access *x = &commands[from].accesses[a],
                                    *y = &commands[to].accesses[b];
                found |= overlap(x, y) && !ordered(commands, from, to, x->kind, y->kind);
            }
        }
    }
    commands[to].barrier = saved;
    return found;
}

static void fill_command(struct command *command)
{
    static const enum hazard_kind kinds[] = {KIND_COMPUTE, KIND_COMPUTE, KIND_COMPUTE,
                                             KIND_TRANSFER};
    enum hazard_kind kind = kinds[g_test_rand_int_range(0, 4)];
    command->count = g_test_rand_int_range(1, MAX_ACCESSES + 1);
    for (int i = 0; i < command->count; i++) {
        uint64_t begin = (uint64_t)g_test_rand_int_range(0, 40);
        command->accesses[i] = (struct access){
            .buffer = (VkBuffer)(uintptr_t)g_test_rand_int_range(1, 4),
            .begin = begin,
            .end = begin + (uint64_t)g_test_rand_int_range(1, 8),
            .write = g_test_rand_int_range(0, 3) == 0,
            .kind = kind,
        };
    }
    if (kind == KIND_COMPUTE && g_test_rand_int_range(0, 8) == 0) {
        command->accesses[0].kind = KIND_INDIRECT;
        command->accesses[0].write = false;
    }
}

static void test_random(void)
{
    struct hazards hazards;
    hazards_init(&hazards);
    for (int round = 0; round < 300; round++) {
        struct command commands[MAX_COMMANDS];
        hazards_reset(&hazards);
        for (int i = 0; i < MAX_COMMANDS; i++) {
            fill_command(&commands[i]);
            commands[i].barrier =
                hazards_add(&hazards, commands[i].accesses, commands[i].count, false);
            if (uncovered(commands, i, false)) {
                g_error("round %d: command %d has an uncovered hazard", round, i);
            }
            if (commands[i].barrier.from && !uncovered(commands, i, true)) {
                g_error("round %d: the barrier in front of command %d is needless", round, i);
            }
        }
    }
    hazards_finish(&hazards);
}

static void test_forced(void)
{
    struct hazards hazards;
    struct access access = {(VkBuffer)(uintptr_t)1, 0, 4, false, KIND_COMPUTE};
    hazards_init(&hazards);
    g_assert_cmpuint(hazards_add(&hazards, &access, 1, true).from, ==, 0); // nothing before it
    for (int i = 0; i < 5; i++) {
        struct barrier barrier = hazards_add(&hazards, &access, 1, true);
        g_assert_cmpuint(barrier.from, ==, KIND_COMPUTE);
        g_assert_cmpuint(barrier.to, ==, KIND_COMPUTE | KIND_TRANSFER | KIND_INDIRECT);
    }
    hazards_finish(&hazards);
}

static void test_masks(void)
{
    g_assert_cmpuint(hazard_stages(KIND_COMPUTE), ==, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT);
    g_assert_cmpuint(hazard_stages(KIND_TRANSFER | KIND_INDIRECT), ==,
                     VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT);
    g_assert_cmpuint(hazard_writes(KIND_INDIRECT), ==, 0);
    g_assert_cmpuint(hazard_writes(KIND_COMPUTE), ==, VK_ACCESS_SHADER_WRITE_BIT);
    g_assert_cmpuint(hazard_accesses(KIND_INDIRECT), ==, VK_ACCESS_INDIRECT_COMMAND_READ_BIT);
}

int main(int argc, char **argv)
{
    gpu_test_init(&argc, &argv);
    g_test_add_func("/hazards/random", test_random);
    g_test_add_func("/hazards/forced", test_forced);
    g_test_add_func("/hazards/masks", test_masks);
    return gpu_test_run();
}
