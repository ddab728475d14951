// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The search for weights files, in temporary folders: which file a name finds, which it must not,
// and what a miss says.
#include "effdet/effdet.h"
#include "search.h"

#include <glib/gstdio.h>
#include <string.h>

struct fixture {
    char *root;           // everything below is inside
    char *first, *second; // $EFFDET_MODEL_PATH
};

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_remove(path);
}

static void setup(struct fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    fixture->root = g_dir_make_tmp("effdet-search-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->first = g_build_filename(fixture->root, "first", NULL);
    fixture->second = g_build_filename(fixture->root, "second", NULL);
    g_assert_cmpint(g_mkdir(fixture->first, 0700), ==, 0);
    g_assert_cmpint(g_mkdir(fixture->second, 0700), ==, 0);
    g_autofree char *list = g_strjoin(":", fixture->first, "", fixture->second, NULL);
    g_setenv("EFFDET_MODEL_PATH", list, TRUE);
}

static void teardown(struct fixture *fixture, gconstpointer data)
{
    remove_tree(fixture->root);
    g_free(fixture->root);
    g_free(fixture->first);
    g_free(fixture->second);
}

// Makes an empty file (or, with a final '/', a folder), and the folder it is in.
static char *touch(const char *folder, const char *name)
{
    char *path = g_build_filename(folder, name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);
    g_mkdir_with_parents(parent, 0700);
    if (!g_str_has_suffix(name, "/")) {
        g_assert_true(g_file_set_contents(path, "", 0, NULL));
    }
    return path;
}

static void assert_finds(const char *model, const char *weights, const char *folder,
                         const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *wanted = g_build_filename(folder, name, NULL);
    g_autofree char *found = search_weights(model, weights, NULL, &error);
    if (!found) {
        g_error("model %s: wanted %s, got: %s", model, wanted, error->message);
    }
    g_assert_cmpstr(found, ==, wanted);
}

static char *miss(const char *model, const char *weights)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *architecture = (char *)"unset";
    g_autofree char *found = search_weights(model, weights, &architecture, &error);
    g_assert_cmpstr(found, ==, NULL);
    g_assert_cmpstr(architecture, ==, NULL);
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND);
    g_assert_null(strchr(error->message, '\n'));
    return g_strdup(error->message);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        g_error("\"%s\" does not contain \"%s\"", text, part);
    }
}

// Each row: a model name, a file, and whether the one finds the other.
static void test_patterns(struct fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *model, *file;
        bool finds;
    } cases[] = {
        {"d1", "d1.safetensors", true},
        {"d1", "d1-fp16.safetensors", true},
        {"d1", "d1.fp16.safetensors", true},
        {"d1", "tf_efficientdet_d1.safetensors", true},
        {"d1", "tf_efficientdet_d1_40-a30f94af.pth", true},
        {"d1", "tf_efficientdet_d1-a30f94af.safetensors", true},
        {"d1", "efficientdet-d1.pth", true},
        {"d1", "efficientdet-d1/", true},
        {"d1", "d1", false},
        {"d1", "d1.txt", false},
        {"d1", "d10.safetensors", false},
        {"d1", "sd1.safetensors", false},
        {"d1", "d1_ap.safetensors", false},
        {"d1", "d1_40b.safetensors", false},
        {"d1", "d1.safetensors.part", false},
        {"d1", "tf_efficientdet_d1_ap-c3a2e3b4.pth", false},
        {"d1", "efficientdet-d1-mine.pth", false},
        {"d1", "efficientdet_d1-bb7e98fe.pth", false},
        {"d7", "tf_efficientdet_d7x-f390b87c.pth", false},
        {"d7", "d7x.safetensors", false},
        {"d7x", "tf_efficientdet_d7x-f390b87c.pth", true},
        {"d7x", "efficientdet-d8.pth", true},
        {"lite3", "lite3x.safetensors", false},
        {"lite3x", "tf_efficientdet_lite3x-8404c57b.pth", true},
        {"d0_ap", "tf_efficientdet_d0_ap-d0cdbd0a.pth", true},
        {"tf_efficientdet_d1", "tf_efficientdet_d1_40-a30f94af.pth", true},
        {"tf_efficientdet_d1", "d1.safetensors", true},
        {"efficientdet-d1", "efficientdet-d1.pth", true},
        {"efficientdet-d1", "tf_efficientdet_d1.pth", true},
        {"efficientdet_d1", "efficientdet_d1-bb7e98fe.pth", true},
        {"efficientdet_d1", "tf_efficientdet_d1.pth", false},
        {"zylo117-d1", "efficientdet-d1.pth", true},
        {"zylo117-d1", "tf_efficientdet_d1.pth", false},
        {"zylo117-d7x", "efficientdet-d8.pth", true},
        {"automl-d1", "efficientdet-d1.tar.gz", true},
        {"automl-lite0", "efficientdet-lite0.tgz", true},
        {"automl-d1", "efficientdet-d1.pth", false},
        {"automl-d1", "efficientdet-d1-advprop.tar.gz", false},
        {"automl-d1_ap", "efficientdet-d1-advprop.tar.gz", true},
        {"automl-d1_ap", "efficientdet-d1.tar.gz", false},
        {"d1", "efficientdet-d1.tar.gz", true},
        {"shelf", "shelf-cam.v2.safetensors", true},
        {"shelf", "shelf.pth", true},
        {"shelf", "shelfcam.safetensors", false},
        {"shelf", "shelf.tflite", true},
        {"lite0", "efficientdet-lite0-int8.tflite", true},
        {"lite0", "lite0.tflite", true},
        {"lite3", "efficientdet-lite3x.tflite", false},
        {"d1", "d1.tflite", false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = touch(fixture->first, cases[i].file);
        g_autoptr(GError) error = NULL;
        g_autofree char *found = search_weights(cases[i].model, NULL, NULL, &error);
        if (cases[i].finds != (found != NULL)) {
            g_error("model %s, file %s: %s", cases[i].model, cases[i].file,
                    found ? found : error->message);
        }
        g_remove(path);
    }
}

static void test_order(struct fixture *fixture, gconstpointer data)
{
    g_autofree char *a = touch(fixture->second, "d2.safetensors");
    assert_finds("d2", NULL, fixture->second, "d2.safetensors");
    g_autofree char *b = touch(fixture->first, "efficientdet-d2/");
    assert_finds("d2", NULL, fixture->second, "d2.safetensors");
    g_autofree char *c = touch(fixture->first, "inner/efficientdet-d2.pth");
    assert_finds("d2", NULL, fixture->first, "inner/efficientdet-d2.pth");
    g_autofree char *d = touch(fixture->first, "efficientdet-d2.pth");
    assert_finds("d2", NULL, fixture->first, "efficientdet-d2.pth");
    g_autofree char *e = touch(fixture->first, "tf_efficientdet_d2_43-8107aa99.pth");
    assert_finds("d2", NULL, fixture->first, "tf_efficientdet_d2_43-8107aa99.pth");
    g_autofree char *f = touch(fixture->first, "d2-b.safetensors");
    assert_finds("d2", NULL, fixture->first, "d2-b.safetensors");
    g_autofree char *g = touch(fixture->first, "d2-a.safetensors");
    assert_finds("d2", NULL, fixture->first, "d2-a.safetensors");
    g_autofree char *h = touch(fixture->first, "d2.safetensors");
    assert_finds("d2", NULL, fixture->first, "d2.safetensors");
    g_autofree char *deep = touch(fixture->first, "inner/deeper/d3.safetensors");
    g_free(miss("d3", NULL));
}

static void test_weights(struct fixture *fixture, gconstpointer data)
{
    g_autofree char *in_path = touch(fixture->first, "d1.safetensors");
    g_autofree char *folder = g_build_filename(fixture->root, "mine", NULL);
    g_autofree char *file = touch(folder, "d1.safetensors");
    g_autofree char *odd = touch(folder, "anything.bin");
    assert_finds("d1", folder, folder, "d1.safetensors");
    assert_finds("d1", odd, folder, "anything.bin");
    assert_finds(NULL, odd, folder, "anything.bin");
    assert_finds(odd, NULL, folder, "anything.bin");
    assert_finds("d1", "", fixture->first, "d1.safetensors");

    g_autofree char *text = miss("d2", folder); // the folder replaces the others
    assert_contains(text, folder);
    g_assert_null(strstr(text, fixture->first));
    g_autofree char *missing = g_build_filename(folder, "none.safetensors", NULL);
    g_autofree char *text_file = miss("d1", missing);
    assert_contains(text_file, missing);
    g_autofree char *text_model = miss(missing, NULL);
    assert_contains(text_model, missing);
}

static void test_architecture(struct fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *model, *architecture;
    } cases[] = {
        {"d1", "tf_efficientdet_d1"},
        {"lite3x", "tf_efficientdet_lite3x"},
        {"efficientdet-d1", "tf_efficientdet_d1"},
        {"efficientdet_d1", "efficientdet_d1"},
        {"zylo117-d1", "tf_efficientdet_d1"},
        {"automl-d1", "tf_efficientdet_d1"},
        {"automl-d1_ap", "tf_efficientdet_d1"},
        {"person", NULL},
        {NULL, NULL},
    };
    g_autofree char *file = touch(fixture->first, "w.safetensors");
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *architecture = NULL;
        g_autofree char *path = search_weights(cases[i].model, file, &architecture, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(path, ==, file);
        g_assert_cmpstr(architecture, ==, cases[i].architecture);
    }
}

static void test_miss(struct fixture *fixture, gconstpointer data)
{
    g_autofree char *known = miss("d1", NULL);
    assert_contains(known, "effdet fetch d1");
    assert_contains(known, "d1.safetensors");
    assert_contains(known, "tf_efficientdet_d1*.pth");
    assert_contains(known, fixture->first);
    assert_contains(known, fixture->second);
    g_autofree char *user = g_build_filename(g_get_user_data_dir(), "effdet", "models", NULL);
    assert_contains(known, user);
    g_autofree char *full = miss("tf_efficientdet_d1", NULL);
    assert_contains(full, "effdet fetch d1");
    g_autofree char *zylo = miss("zylo117-d1", NULL);
    assert_contains(zylo, "effdet fetch zylo117-d1");
    g_autofree char *unknown = miss("unheard-of", NULL);
    assert_contains(unknown, "unheard-of");
    assert_contains(unknown, "effdet models");
    g_autofree char *person = miss("person", fixture->first);
    assert_contains(person, "EFFDET_MODEL_PATH");
}

static const EffdetModel *find_model(GPtrArray *models, const char *name)
{
    const EffdetModel *found = NULL;
    for (guint i = 0; i < models->len; i++) {
        const EffdetModel *model = models->pdata[i];
        if (g_str_equal(model->name, name)) {
            g_assert_null(found); // names are unique
            found = model;
        }
    }
    return found;
}

static void test_models(struct fixture *fixture, gconstpointer data)
{
    g_autofree char *d7x = touch(fixture->first, "tf_efficientdet_d7x-f390b87c.pth");
    g_autofree char *person = touch(fixture->first, "sub/person-lite0.fp16.safetensors");
    g_autofree char *mine = touch(fixture->second, "shelf.safetensors");
    g_autofree char *other = touch(fixture->first, "notes.txt");
    g_autofree char *tf = touch(fixture->first, "tf_efficientdet_d1.pth");
    g_autofree char *zylo = touch(fixture->second, "efficientdet-d1.pth");
    g_autofree char *longer = touch(fixture->first, "shelf-2.safetensors");
    g_autoptr(GPtrArray) models = effdet_models();
    const EffdetModel *model = find_model(models, "d7x");
    g_assert_nonnull(model);
    g_assert_cmpstr(model->path, ==, d7x);
    g_assert_cmpstr(model->architecture, ==, "tf_efficientdet_d7x");
    g_assert_cmpuint(model->input_width, ==, 1536);
    g_assert_cmpuint(model->input_height, ==, 1536);
    model = find_model(models, "d7");
    g_assert_nonnull(model);
    g_assert_cmpstr(model->path, ==, NULL);
    model = find_model(models, "person");
    g_assert_nonnull(model);
    g_assert_cmpstr(model->path, ==, person);
    model = find_model(models, "shelf");
    g_assert_nonnull(model);
    g_assert_cmpstr(model->path, ==, mine);
    g_assert_cmpstr(model->architecture, ==, NULL);
    model = find_model(models, "efficientdet-d1");
    g_assert_nonnull(model);
    g_assert_cmpstr(model->path, ==, zylo);
    g_assert_null(find_model(models, "notes"));
    g_assert_null(find_model(models, "tf_efficientdet_d7x-f390b87c"));
    g_assert_null(find_model(models, "person-lite0.fp16"));
    for (guint i = 0; i < models->len; i++) { // every listed path is what its name finds
        model = models->pdata[i];
        if (model->path) {
            assert_finds(model->name, NULL, "/", model->path + 1);
        }
    }
}

int main(int argc, char **argv)
{
    g_autofree char *data = g_dir_make_tmp("effdet-data-XXXXXX", NULL);
    g_setenv("XDG_DATA_HOME", data, TRUE); // nobody's own models
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
    g_test_add("/search/" name, struct fixture, NULL, setup, function, teardown)
    ADD("patterns", test_patterns);
    ADD("order", test_order);
    ADD("weights", test_weights);
    ADD("architecture", test_architecture);
    ADD("miss", test_miss);
    ADD("models", test_models);
    int status = g_test_run();
    remove_tree(data);
    return status;
}
