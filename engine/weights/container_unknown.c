// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Error texts for files that are no weights of a format that is read: what they seem to be, and
// what to do. Nothing is loaded here.
#include "weights/container_internal.h"

#include <string.h>

#define TENSORFLOW_ADVICE                                                                          \
    "is not supported by this version; convert the weights to PyTorch or safetensors"

static bool starts_with(const uint8_t *head, size_t size, const char *text)
{
    return size >= strlen(text) && g_ascii_strncasecmp((const char *)head, text, strlen(text)) == 0;
}

static bool refuse_tensorflow(const struct container *container, const uint8_t *head, size_t size,
                              const uint8_t *tail, GError **error)
{
    static const uint8_t table_magic[8] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};
    if ((size >= 8 && memcmp(head + 4, "TFL", 3) == 0) ||
        g_str_has_suffix(container->path, ".tflite")) {
        unsupported(error, "TensorFlow Lite " TENSORFLOW_ADVICE);
    } else if (memcmp(tail, table_magic, sizeof table_magic) == 0 ||
               g_str_has_suffix(container->path, ".index") ||
               strstr(container->path, ".data-0000") ||
               starts_with(head, size, "model_checkpoint_path:")) {
        unsupported(error, "a TensorFlow checkpoint " TENSORFLOW_ADVICE);
    } else if (size >= 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0) {
        unsupported(error, "a Keras file (HDF5) " TENSORFLOW_ADVICE);
    } else {
        return false;
    }
    return true;
}

void container_refuse_unknown(const struct container *container, const uint8_t *head, size_t size,
                              const uint8_t *tail, GError **error)
{
    size_t start = 0;
    while (start < size && (g_ascii_isspace(head[start]) || (start < 3 && head[start] >= 0x80))) {
        start++; // blanks, a byte-order mark
    }
    const uint8_t *text = head + start;
    size_t text_size = size - start;
    if (refuse_tensorflow(container, head, size, tail, error)) {
        return;
    }
    if (starts_with(text, text_size, "<!doctype") || starts_with(text, text_size, "<html") ||
        starts_with(text, text_size, "<?xml")) {
        bad_file(error, "is a web page, not a weights file: download it again");
    } else if (starts_with(head, size, "version https://git-lfs")) {
        bad_file(error, "is a Git LFS pointer, not the weights file itself: run \"git lfs pull\"");
    } else if (size >= 2 && head[0] == 0x1f && head[1] == 0x8b) {
        unsupported(error, "is compressed with gzip: unpack it first");
    } else if (container->size > 262 && size > 262 && memcmp(head + 257, "ustar", 5) == 0) {
        unsupported(error, "is a tar archive: unpack it first");
    } else {
        bad_file(error, "is no weights file of a known format (safetensors or PyTorch .pth), or is "
                        "cut off or damaged");
    }
}

static bool folder_holds_tensorflow(const char *path)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;
    while (folder && (name = g_dir_read_name(folder))) {
        if (g_str_has_suffix(name, ".index") || strcmp(name, "saved_model.pb") == 0 ||
            strcmp(name, "checkpoint") == 0) {
            return true;
        }
    }
    return false;
}

void container_refuse_path(const char *path, bool is_folder, GError **error)
{
    g_autofree char *index = g_strconcat(path, ".index", NULL);
    if (is_folder ? folder_holds_tensorflow(path) : g_file_test(index, G_FILE_TEST_EXISTS)) {
        unsupported(error, "a TensorFlow checkpoint " TENSORFLOW_ADVICE);
    } else if (is_folder) {
        bad_file(error, "is a folder; name the weights file in it");
    } else {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND, "no such file");
    }
}
