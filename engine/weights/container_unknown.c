// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Error texts for files that are no weights of a format that is read: what they seem to be, and
// what to do. Nothing is loaded here.
#include "weights/container_internal.h"

#include <string.h>

static bool starts_with(const uint8_t *head, size_t size, const char *text)
{
    return size >= strlen(text) && g_ascii_strncasecmp((const char *)head, text, strlen(text)) == 0;
}

static bool refuse_tensorflow(const struct container *container, const uint8_t *head, size_t size,
                              GError **error)
{
    if ((size >= 8 && memcmp(head + 4, "TFL", 3) == 0) ||
        g_str_has_suffix(container->path, ".tflite")) {
        bad_file(error, "is no TensorFlow Lite file of version 3 (\"TFL3\"), or is damaged");
    } else if (starts_with(head, size, "model_checkpoint_path:")) {
        bad_file(error, "says which checkpoint of its folder is the newest: name the folder");
    } else {
        return false;
    }
    return true;
}

void container_refuse_unknown(const struct container *container, const uint8_t *head, size_t size,
                              GError **error)
{
    size_t start = 0;
    while (start < size && (g_ascii_isspace(head[start]) || (start < 3 && head[start] >= 0x80))) {
        start++; // blanks, a byte-order mark
    }
    const uint8_t *text = head + start;
    size_t text_size = size - start;
    if (refuse_tensorflow(container, head, size, error)) {
        return;
    }
    if (starts_with(text, text_size, "<!doctype") || starts_with(text, text_size, "<html") ||
        starts_with(text, text_size, "<?xml")) {
        bad_file(error, "is a web page, not a weights file: download it again");
    } else if (starts_with(head, size, "version https://git-lfs")) {
        bad_file(error, "is a Git LFS pointer, not the weights file itself: run \"git lfs pull\"");
    } else {
        bad_file(error,
                 "is no weights file of a known format (safetensors, PyTorch .pth, "
                 "TensorFlow checkpoint, TensorFlow Lite, Keras .h5), or is cut off or damaged");
    }
}

void container_refuse_path(const char *path, bool is_folder, GError **error)
{
    g_autofree char *saved_model = g_build_filename(path, "saved_model.pb", NULL);
    if (is_folder && g_file_test(saved_model, G_FILE_TEST_EXISTS)) {
        unsupported(error, "is a SavedModel, a program with weights; give the checkpoint that it "
                           "was exported from");
    } else if (is_folder) {
        bad_file(error, "is a folder without a checkpoint (*.index); name the weights file in it");
    } else {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND, "no such file");
    }
}
