// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The tensors that the engine's graph names against those that the reference network asks for: two
// readings of the specification, written apart.
#include "network.h"
#include "weights/wanted.h"

static bool get_shape(void *data, const char *name, const int *shape, int rank, float *out)
{
    g_autofree char *text =
        g_strdup_printf("%d:%d,%d,%d,%d", rank, shape[0], rank > 1 ? shape[1] : 0,
                        rank > 1 ? shape[2] : 0, rank > 1 ? shape[3] : 0);
    g_hash_table_replace(data, g_strdup(name), g_steal_pointer(&text));
    return true;
}

static void compare_wanted(const struct model *model)
{
    struct ref_tensor input = ref_new(3, 8, 8);
    g_autoptr(GHashTable) asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    struct ref_network *net = ref_network_run(model, &input, get_shape, asked);
    struct graph *graph = graph_new(model);
    g_autoptr(GArray) list = wanted_tensors(graph);
    for (guint i = 0; i < list->len; i++) {
        const struct wanted *wanted = &g_array_index(list, struct wanted, i);
        const int64_t *shape = wanted->shape;
        bool matrix = wanted->rank > 1;
        g_autofree char *text = g_strdup_printf(
            "%d:%d,%d,%d,%d", wanted->rank, (int)shape[0], matrix ? (int)shape[1] : 0,
            matrix ? (int)shape[2] : 0, matrix ? (int)shape[3] : 0);
        const char *found = g_hash_table_lookup(asked, wanted->name);
        if (g_strcmp0(found, text) != 0) {
            g_error("%s layout %d levels to %d: the graph wants %s %s, the reference %s",
                    model->arch.name, model->arch.layout, model->arch.max_level, wanted->name, text,
                    found ? found : "nothing");
        }
    }
    g_assert_cmpint(list->len, ==, g_hash_table_size(asked));
    graph_free(&graph);
    ref_network_free(&net);
    ref_free(&input);
}

static void test_native(void)
{
    int n;
    const struct arch *table = arch_table(&n);
    for (int i = 0; i < n; i++) {
        struct model model;
        model_init(&model, &table[i], 90);
        compare_wanted(&model);
        model.arch.head_per_level = true;
        if (g_str_equal(table[i].name, "tf_efficientdet_lite0")) {
            compare_wanted(&model);
        }
        model_finish(&model);
    }
}

// Layouts, level counts and fusions that no architecture of the table has.
static void test_variants(gconstpointer data)
{
    for (int layout = FPN_BIFPN; layout <= FPN_QUFPN; layout++) {
        for (int top = 7; top <= 8; top++) {
            for (int fusion = FUSION_SUM; fusion <= FUSION_SOFTMAX; fusion++) {
                struct arch arch = *arch_find(data);
                struct model model;
                arch.layout = layout;
                arch.max_level = top;
                arch.fpn_cells = 2;
                arch.fusion = fusion;
                model_init(&model, &arch, 5);
                compare_wanted(&model);
                model_finish(&model);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wanted/native", test_native);
    g_test_add_data_func("/wanted/variants/d0", "d0", test_variants);
    g_test_add_data_func("/wanted/variants/lite0", "lite0", test_variants);
    g_test_add_data_func("/wanted/variants/efficientdet_d1", "efficientdet_d1", test_variants);
    return g_test_run();
}
