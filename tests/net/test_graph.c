// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The graph as data: shapes of every architecture, what fusion leaves, and an arena in which
// nothing that lives together overlaps.
#include "net/fpn_layout.h"
#include "net/graph.h"
#include "ops/variant.h"
#include "weights/wanted.h"

static void init_model(struct model *model, const struct arch *arch, int height, int width)
{
    model_init(model, arch, 90);
    model->input_height = height;
    model->input_width = width;
}

static void check_shapes(const struct arch *arch, int height, int width)
{
    struct model model;
    init_model(&model, arch, height, width);
    struct graph *graph = graph_new(&model);
    int taps[3];
    backbone_taps(arch->backbone, taps);
    for (int i = 0; i < 3; i++) {
        const char *names[] = {"C3", "C4", "C5"};
        const struct value *value = graph_value(graph, graph_value_by_name(graph, names[i]));
        g_assert_cmpint(value->channels, ==, taps[i]);
        g_assert_cmpint(value->level[0].height, ==, level_size(height, 3 + i));
        g_assert_cmpint(value->level[0].width, ==, level_size(width, 3 + i));
    }
    const struct value *classes = graph_value(graph, graph->classes);
    g_assert_cmpint(classes->channels, ==, 810);
    g_assert_cmpint(classes->n_levels, ==, arch->max_level - 2);
    g_assert_cmpint(graph_value(graph, graph->boxes)->channels, ==, 36);
    g_assert_cmpint(classes->pixels, ==, graph_value(graph, graph->boxes)->pixels);
    graph_free(&graph);
    model_finish(&model);
}

static void test_shapes(void)
{
    int n;
    const struct arch *archs = arch_table(&n);
    for (int i = 0; i < n; i++) {
        check_shapes(&archs[i], archs[i].input_size, archs[i].input_size);
        check_shapes(&archs[i], 97, 331);
        check_shapes(&archs[i], 1, 1);
    }
}

struct order {
    const struct graph *graph;
    int *written;
    const char *what, *name;
    bool writing;
};

static void check_access(int id, bool write, void *data)
{
    const struct order *order = data;
    const struct value *value = graph_value(order->graph, id);
    if (write != order->writing) {
        return;
    }
    if (write) {
        g_assert_cmpint(order->written[id]++, ==, 0);
        if (value->parent >= 0) {
            order->written[value->parent]++;
        }
        return;
    }
    bool ready = order->written[id] || (value->parent >= 0 && order->written[value->parent]);
    if (!ready) {
        g_test_message("%s: %s reads %s too early", order->what, order->name, value->name);
    }
    g_assert_true(ready);
}

static void check_node_order(const struct graph *graph, const struct node *node,
                             struct order *order)
{
    for (int i = 0; i < node->n_steps; i++) {
        check_node_order(graph, &g_array_index(graph->steps, struct node, node->first_step + i),
                         order);
    }
    if (node->n_steps == 0) {
        order->name = node->name;
        for (int write = 0; write < 2; write++) {
            order->writing = write;
            graph_visit(graph, node, check_access, order);
        }
    }
}

// Every value is written before it is read, by exactly one node (a pyramid: by one node a level).
static void check_order(const struct graph *graph, const char *what)
{
    g_autofree int *written = g_new0(int, graph->values->len);
    struct order order = {.graph = graph, .written = written, .what = what};
    written[graph->input] = 1;
    for (guint i = 0; i < graph->nodes->len; i++) {
        check_node_order(graph, graph_node(graph, (int)i), &order);
    }
    g_assert_true(written[graph->classes] || written[graph_value(graph, graph->classes)->parent]);
}

struct level {
    const struct graph *graph;
    GArray *ids[2]; // int, by write
};

static void collect(int id, bool write, void *data)
{
    struct level *level = data;
    g_array_append_val(level->ids[write], id);
}

// What a node of a level writes, no other of its level touches: one barrier before a level serves.
static void check_levels(const struct graph *graph, const char *what)
{
    for (guint i = 0; i < graph->nodes->len; i++) {
        const struct node *node = graph_node(graph, (int)i);
        struct level mine = {
            graph,
            {g_array_new(FALSE, FALSE, sizeof(int)), g_array_new(FALSE, FALSE, sizeof(int))}};
        struct level others = {
            graph,
            {g_array_new(FALSE, FALSE, sizeof(int)), g_array_new(FALSE, FALSE, sizeof(int))}};
        graph_visit(graph, node, collect, &mine);
        for (guint j = 0; j < graph->nodes->len; j++) {
            const struct node *other = graph_node(graph, (int)j);
            g_assert_true((j < i) <= (other->level <= node->level)); // in order
            if (j != i && other->level == node->level) {
                graph_visit(graph, other, collect, &others);
            }
        }
        for (guint w = 0; w < mine.ids[1]->len; w++) {
            const struct value *a = graph_value(graph, g_array_index(mine.ids[1], int, w));
            for (int write = 0; write < 2; write++) {
                for (guint k = 0; k < others.ids[write]->len; k++) {
                    int id = g_array_index(others.ids[write], int, k);
                    const struct value *b = graph_value(graph, id);
                    bool siblings = a->parent >= 0 && a->parent == b->parent;
                    bool apart =
                        a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
                    if (!siblings && !apart) {
                        g_test_message("%s: %s, %s in one level", what, a->name, b->name);
                    }
                    g_assert_true(siblings || apart);
                }
            }
        }
        for (int write = 0; write < 2; write++) {
            g_array_unref(mine.ids[write]);
            g_array_unref(others.ids[write]);
        }
    }
}

static void check_arena(struct graph *graph, int element_bytes, const char *what)
{
    graph_plan(graph, element_bytes);
    for (guint i = 0; i < graph->values->len; i++) {
        const struct value *a = graph_value(graph, (int)i);
        if (a->parent >= 0 || a->last < a->first) {
            continue;
        }
        g_assert_cmpuint(a->offset % 256, ==, 0);
        g_assert_cmpuint(a->offset + a->bytes, <=, graph->arena_bytes);
        g_assert_cmpint(a->pitch, >=, a->pixels);
        for (guint j = i + 1; j < graph->values->len; j++) {
            const struct value *b = graph_value(graph, (int)j);
            if (b->parent >= 0 || b->last < b->first || a->last < b->first || b->last < a->first) {
                continue;
            }
            bool apart = a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
            if (!apart) {
                g_test_message("%s: %s and %s overlap", what, a->name, b->name);
            }
            g_assert_true(apart);
        }
    }
    g_assert_cmpuint(graph->arena_bytes, >=, graph->lower_bound_bytes);
    g_assert_cmpfloat((double)graph->arena_bytes, <=, 1.05 * (double)graph->lower_bound_bytes);
    check_levels(graph, what);
    g_test_message("%s, %d bytes an element: %u nodes, arena %.2f MiB, lower bound %.2f MiB", what,
                   element_bytes, graph->nodes->len, (double)graph->arena_bytes / 0x1p20,
                   (double)graph->lower_bound_bytes / 0x1p20);
}

static const struct fuse_options all_options[] = {
    {0},
    {.parts = true},
    {.parts = true, .sums = true},
    {.parts = true, .separable = true},
    {.parts = true, .separable = true, .chain_pixels = 256, .squeeze_products = 20000},
    {.parts = true,
     .separable = true,
     .chain_pixels = 256,
     .squeeze_products = 20000,
     .expand_elements = 1},
};

static void test_fuse_and_plan(void)
{
    int n;
    const struct arch *archs = arch_table(&n);
    for (int i = 0; i < n; i++) {
        struct model model;
        guint before = 0;
        for (gsize f = 0; f <= G_N_ELEMENTS(all_options); f++) {
            model_init(&model, &archs[i], 90);
            struct graph *graph = graph_new(&model);
            if (f > 0) {
                graph_fuse(graph, &all_options[f - 1]);
            }
            check_order(graph, archs[i].name);
            check_arena(graph, 2, archs[i].name);
            check_arena(graph, 4, archs[i].name);
            // dense convolutions have no halves to merge
            g_assert_true(before == 0 || graph->nodes->len < before + (archs[i].dense ? 1 : 0));
            before = graph->nodes->len;
            graph_free(&graph);
            model_finish(&model);
        }
    }
}

// Nodes of D0 by what is fused. Backbone: stem, 15 blocks of 4 and one of 3.
static void test_d0_nodes(void)
{
    static const guint backbone = 1 + 15 * 4 + 3;
    const guint wanted[] = {
        backbone + 6 + 2 + 24 * 3 + 2 * 4 * 2, // projections, pools, nodes of cells, heads
        backbone + 3 + 2 + 24 * 3 + 4 * 2,
        backbone + 3 + 2 + 24 * 2 + 4 * 2,
        backbone + 3 + 2 + 24 + 4,
        backbone - 12 + 3 + 1 + 3 * 3 + 3 + 4, // pools and top of the first cell; P4, P3, P4; the
                                               // rest of a cell with the top of the next
        backbone - 12 - 15 + 3 + 1 + 3 * 3 + 3 + 4,
    };
    for (gsize f = 0; f < G_N_ELEMENTS(all_options); f++) {
        struct model model;
        model_init(&model, arch_find("d0"), 90);
        struct graph *graph = graph_new(&model);
        graph_fuse(graph, &all_options[f]);
        g_assert_cmpuint(graph->nodes->len, ==, wanted[f]);
        graph_free(&graph);
        model_finish(&model);
    }
}

// Dispatches of a frame of D0, with preprocess and the two of decode.
static void test_d0_dispatches(void)
{
    static const struct {
        enum device_class device_class;
        guint most;
    } cases[] = {{CLASS_DEFAULT, 85}, {CLASS_CPU_OLD, 130}, {CLASS_CPU_NEW, 130}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct model model;
        model_init(&model, arch_find("d0"), 90);
        struct graph *graph = graph_new(&model);
        graph_fuse(graph, fusion_for(class_plan(cases[i].device_class)));
        g_assert_cmpuint(graph->nodes->len + 3, <=, cases[i].most);
        graph_free(&graph);
        model_finish(&model);
    }
}

// Where the tensors between are not stored, the arena is smaller: what is expanded first is the
// largest of a network.
static void test_expansion(void)
{
    static const char *const models[] = {"d3", "d6", "d7", "d7x"};
    for (gsize i = 0; i < G_N_ELEMENTS(models); i++) {
        uint64_t bytes[2], largest = 0;
        for (int expand = 0; expand < 2; expand++) {
            struct model model;
            struct fuse_options options = *fusion_for(class_plan(CLASS_DEFAULT));
            options.expand_elements *= (uint64_t)expand;
            model_init(&model, arch_find(models[i]), 90);
            struct graph *graph = graph_new(&model);
            graph_fuse(graph, &options);
            check_order(graph, models[i]);
            check_arena(graph, 2, models[i]);
            bytes[expand] = graph->arena_bytes;
            largest = 0;
            for (guint v = 0; v < graph->values->len; v++) {
                const struct value *value = graph_value(graph, (int)v);
                largest = MAX(largest, value->last >= value->first ? value->bytes : 0);
            }
            graph_free(&graph);
            model_finish(&model);
        }
        g_test_message("%s: arena %.0f MiB, with expansions fused %.0f; largest tensor %.0f",
                       models[i], (double)bytes[0] / 0x1p20, (double)bytes[1] / 0x1p20,
                       (double)largest / 0x1p20);
        g_assert_cmpuint(bytes[1], <, bytes[0]);
        g_assert_cmpuint(largest, <=, 128 << 20); // the storage range that Vulkan guarantees
    }
}

// Every FPN that a file may have, with what differs between conventions, on odd sizes.
static void test_fpn_variants(void)
{
    static const int sizes[][2] = {{64, 96}, {97, 131}, {33, 65}};
    for (int layout = FPN_BIFPN; layout <= FPN_QUFPN; layout++) {
        for (int fusion = FUSION_SUM; fusion <= FUSION_SOFTMAX; fusion++) {
            for (gsize f = 0; f < G_N_ELEMENTS(all_options); f++) {
                const int *size = sizes[f % G_N_ELEMENTS(sizes)];
                struct arch arch = *arch_find(f % 2 ? "d0" : "d7x");
                arch.layout = (enum fpn_layout)layout;
                arch.fusion = arch.quad_fusion = (enum fusion)fusion;
                arch.redundant_bias = f % 2;
                struct model model;
                init_model(&model, &arch, size[0], size[1]);
                model.pool_padding = f % 2 ? POOL_PAD_ZERO : POOL_PAD_IGNORE;
                struct graph *graph = graph_new(&model);
                graph_fuse(graph, &all_options[f]);
                check_order(graph, "FPN variant");
                check_arena(graph, 4, "FPN variant");
                graph_free(&graph);
                model_finish(&model);
            }
        }
    }
}

// What D7x needs at its native size, in both precisions: arena, weights, and the picture and
// candidates of two frames in flight, generously.
static void test_d7x_memory(void)
{
    for (int element_bytes = 2; element_bytes <= 4; element_bytes += 2) {
        for (gsize f = 1; f < G_N_ELEMENTS(all_options); f++) {
            struct model model;
            model_init(&model, arch_find("d7x"), 90);
            struct graph *graph = graph_new(&model);
            g_autoptr(GArray) tensors = wanted_tensors(graph);
            uint64_t weights = 0, staging = 2 * (3840 * 2160 * 4 + (1 << 20));
            for (guint i = 0; i < tensors->len; i++) {
                const struct wanted *wanted = &g_array_index(tensors, struct wanted, i);
                uint64_t count = 1;
                for (int d = 0; d < wanted->rank; d++) {
                    count *= (uint64_t)wanted->shape[d];
                }
                weights += count * (uint64_t)element_bytes;
            }
            graph_fuse(graph, &all_options[f]);
            graph_plan(graph, element_bytes);
            uint64_t sum = graph->arena_bytes + weights + staging;
            g_test_message("d7x, %d bytes an element: arena %.0f + weights %.0f + staging %.0f = "
                           "%.0f MiB",
                           element_bytes, (double)graph->arena_bytes / 0x1p20,
                           (double)weights / 0x1p20, (double)staging / 0x1p20,
                           (double)sum / 0x1p20);
            g_assert_cmpuint(sum, <, G_GUINT64_CONSTANT(2) << 30);
            graph_free(&graph);
            model_finish(&model);
        }
    }
}

static void test_layouts(void)
{
    static const int pan6_last[] = {6, 16};
    struct fpn_cell cell;
    fpn_cell_init(&cell, FPN_BIFPN, 5);
    g_assert_cmpint(cell.n_nodes, ==, 8);
    g_assert_cmpint(fpn_cell_output(&cell, 0), ==, 8);
    g_assert_cmpint(fpn_cell_output(&cell, 4), ==, 12);
    fpn_cell_init(&cell, FPN_BIFPN, 6);
    g_assert_cmpint(cell.n_nodes, ==, 10);
    fpn_cell_init(&cell, FPN_PAN, 5);
    g_assert_cmpint(cell.n_nodes, ==, 10);
    fpn_cell_init(&cell, FPN_PAN, 6);
    g_assert_cmpint(cell.n_nodes, ==, 12);
    g_assert_cmpint(cell.nodes[11].inputs[0], ==, pan6_last[0]);
    g_assert_cmpint(cell.nodes[11].inputs[1], ==, pan6_last[1]);
    fpn_cell_init(&cell, FPN_QUFPN, 5);
    g_assert_cmpint(cell.n_nodes, ==, 21);
    g_assert_cmpint(cell.nodes[20].inputs[0], ==, 12);
    g_assert_cmpint(cell.nodes[20].inputs[1], ==, 16);
    fpn_cell_init(&cell, FPN_QUFPN, 6);
    g_assert_cmpint(cell.n_nodes, ==, 26);
    g_assert_cmpint(cell.nodes[21].inputs[0], ==, 11);
    g_assert_cmpint(cell.nodes[21].inputs[1], ==, 24);
}

// Check values of spec 6.3.
static void check_anchor(const struct model *model, int level, int y, int x, int a,
                         const double expected[4])
{
    struct anchor anchor = anchor_at(model, level, y, x, a);
    const double got[4] = {anchor.cy - anchor.h / 2, anchor.cx - anchor.w / 2,
                           anchor.cy + anchor.h / 2, anchor.cx + anchor.w / 2};
    for (int i = 0; i < 4; i++) {
        g_assert_cmpfloat_with_epsilon(got[i], expected[i], 1e-4);
    }
}

static void test_anchors(void)
{
    struct model model;
    model_init(&model, arch_find("d0"), 90);
    check_anchor(&model, 0, 0, 0, 0, (const double[]){-12, -12, 20, 20});
    check_anchor(&model, 0, 0, 0, 1, (const double[]){-7.2, -18.4, 15.2, 26.4});
    check_anchor(&model, 0, 0, 0, 8, (const double[]){-31.5578, -13.7789, 39.5578, 21.7789});
    check_anchor(&model, 0, 17, 23, 1, (const double[]){128.8, 165.6, 151.2, 210.4});
    check_anchor(&model, 4, 3, 3, 8, (const double[]){-120.9245, 163.5377, 1016.9246, 732.4623});
    model_finish(&model);
    model_init(&model, arch_find("d7x"), 90);
    check_anchor(&model, 5, 5, 5, 8, (const double[]){270.1509, 839.0754, 2545.8491, 1976.9246});
    model_finish(&model);
    model_init(&model, arch_find("lite0"), 90);
    check_anchor(&model, 0, 0, 0, 1, (const double[]){-4.4, -12.8, 12.4, 20.8});
    check_anchor(&model, 4, 2, 2, 8, (const double[]){-88.9112, 88.8777, 622.2445, 444.4556});
    model_finish(&model);
}

static void test_names(void)
{
    g_assert_cmpstr(arch_find("d0")->name, ==, "tf_efficientdet_d0");
    g_assert_cmpstr(arch_find("D7X")->name, ==, "tf_efficientdet_d7x");
    g_assert_cmpstr(arch_find("efficientdet-d7x")->name, ==, "tf_efficientdet_d7x");
    g_assert_cmpstr(arch_find("efficientdet-lite3x")->name, ==, "tf_efficientdet_lite3x");
    g_assert_cmpstr(arch_find("efficientdet_d0")->name, ==, "efficientdet_d0");
    g_assert_cmpstr(arch_find("q1")->name, ==, "efficientdet_q1");
    g_assert_null(arch_find("d8"));
    g_assert_null(arch_find(""));
    g_assert_null(arch_find(NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/graph/shapes", test_shapes);
    g_test_add_func("/graph/fuse-and-plan", test_fuse_and_plan);
    g_test_add_func("/graph/d0-nodes", test_d0_nodes);
    g_test_add_func("/graph/d0-dispatches", test_d0_dispatches);
    g_test_add_func("/graph/expansion", test_expansion);
    g_test_add_func("/graph/fpn-variants", test_fpn_variants);
    g_test_add_func("/graph/d7x-memory", test_d7x_memory);
    g_test_add_func("/graph/layouts", test_layouts);
    g_test_add_func("/graph/anchors", test_anchors);
    g_test_add_func("/graph/names", test_names);
    return g_test_run();
}
