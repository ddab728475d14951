// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reader and writer of .npy files. The header is a Python dictionary; only what NumPy itself writes
// for a plain array is understood.
#include "cli/npy.h"

#include "effdet/effdet.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#define MAX_HEADER_BYTES 65536
#define MAX_NPY_RANK 8

struct header {
    char descr[16];
    bool has_descr, has_order, has_shape;
    bool fortran_order;
    int rank;
    int64_t shape[MAX_NPY_RANK];
};

static bool set_bad(GError **error, const char *path, const char *format, ...) G_GNUC_PRINTF(3, 4);

static bool set_bad(GError **error, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE, "%s: %s", path, text);
    return false;
}

// ---- header ------------------------------------------------------------------------------------

static const char *skip_spaces(const char *at)
{
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') {
        at++;
    }
    return at;
}

// Takes `token` from *at, spaces before it skipped.
static bool take(const char **at, const char *token)
{
    const char *start = skip_spaces(*at);
    if (!g_str_has_prefix(start, token)) {
        return false;
    }
    *at = start + strlen(token);
    return true;
}

// A quoted string without escapes.
static bool take_string(const char **at, char *out, size_t size)
{
    const char *start = skip_spaces(*at);
    if (*start != '\'' && *start != '"') {
        return false;
    }
    const char *end = strchr(start + 1, *start);
    size_t length = end ? (size_t)(end - start - 1) : size;
    if (length >= size || memchr(start + 1, '\\', length)) {
        return false;
    }
    memcpy(out, start + 1, length);
    out[length] = 0;
    *at = end + 1;
    return true;
}

static bool take_shape(const char **at, struct header *header)
{
    if (!take(at, "(")) {
        return false;
    }
    header->rank = 0;
    while (!take(at, ")")) {
        const char *start = skip_spaces(*at);
        char *end = NULL;
        errno = 0;
        gint64 value = g_ascii_isdigit(*start) ? g_ascii_strtoll(start, &end, 10) : -1;
        if (value < 0 || errno != 0 || header->rank == MAX_NPY_RANK) {
            return false;
        }
        header->shape[header->rank++] = value;
        *at = end;
        if (!take(at, ",") && *skip_spaces(*at) != ')') {
            return false;
        }
    }
    return true;
}

static bool parse_header(const char *text, struct header *header)
{
    const char *at = text;
    if (!take(&at, "{")) {
        return false;
    }
    while (!take(&at, "}")) {
        char key[16];
        if (!take_string(&at, key, sizeof key) || !take(&at, ":")) {
            return false;
        }
        bool ok;
        bool *seen;
        if (g_str_equal(key, "descr")) {
            seen = &header->has_descr;
            ok = take_string(&at, header->descr, sizeof header->descr);
        } else if (g_str_equal(key, "fortran_order")) {
            seen = &header->has_order;
            header->fortran_order = take(&at, "True");
            ok = header->fortran_order || take(&at, "False");
        } else if (g_str_equal(key, "shape")) {
            seen = &header->has_shape;
            ok = take_shape(&at, header);
        } else {
            return false;
        }
        if (!ok || *seen || (!take(&at, ",") && *skip_spaces(at) != '}')) {
            return false;
        }
        *seen = true;
    }
    return *skip_spaces(at) == 0 && header->has_descr && header->has_order && header->has_shape;
}

static char *shape_text(const int64_t *shape, int rank)
{
    GString *text = g_string_new("(");
    for (int i = 0; i < rank; i++) {
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i ? ", " : "", shape[i]);
    }
    return g_string_free(g_string_append(text, rank == 1 ? ",)" : ")"), FALSE);
}

static bool check_header(const struct header *header, const char *path, int rank,
                         uint64_t *elements, GError **error)
{
    if (!g_str_equal(header->descr, "<f4")) {
        return set_bad(error, path,
                       "wanted little-endian float32 (\"<f4\"), found \"%s\"; save "
                       "array.astype('<f4')",
                       header->descr);
    }
    if (header->fortran_order) {
        return set_bad(error, path,
                       "wanted C order, found Fortran order; save numpy.ascontiguousarray(array)");
    }
    if (header->rank != rank) {
        g_autofree char *shape = shape_text(header->shape, header->rank);
        return set_bad(error, path, "wanted %d dimensions, found the shape %s", rank, shape);
    }
    *elements = 1;
    for (int i = 0; i < rank; i++) {
        if (header->shape[i] == 0 ||
            !checked_mul(*elements, (uint64_t)header->shape[i], elements) ||
            *elements > G_MAXSSIZE / sizeof(float)) {
            g_autofree char *shape = shape_text(header->shape, header->rank);
            return set_bad(error, path, "the shape %s is empty or too large", shape);
        }
    }
    return true;
}

// Reads up to the first data byte. *offset: where that is.
static bool read_header(FILE *file, const char *path, struct header *header, uint64_t *offset,
                        GError **error)
{
    uint8_t start[12];
    if (fread(start, 1, 10, file) != 10 || memcmp(start, "\x93NUMPY", 6) != 0) {
        return set_bad(error, path, "not a .npy file");
    }
    if (start[6] < 1 || start[6] > 3 || start[7] != 0) {
        return set_bad(error, path, ".npy format %d.%d is not known (1.0, 2.0 and 3.0 are)",
                       start[6], start[7]);
    }
    size_t prefix = start[6] == 1 ? 10 : 12; // the length of the header has two or four bytes
    if (fread(start + 10, 1, prefix - 10, file) != prefix - 10) {
        return set_bad(error, path, "the file ends inside its header");
    }
    uint32_t length = start[8] | (uint32_t)start[9] << 8;
    if (prefix == 12) {
        length |= (uint32_t)start[10] << 16 | (uint32_t)start[11] << 24;
    }
    if (length > MAX_HEADER_BYTES) {
        return set_bad(error, path, "a header of %u bytes is too long for a plain array", length);
    }
    g_autofree char *text = g_malloc0(length + 1);
    if (fread(text, 1, length, file) != length) {
        return set_bad(error, path, "the file ends inside its header");
    }
    if (strlen(text) != length || !parse_header(text, header)) {
        return set_bad(error, path, "the header is not that of a plain array");
    }
    *offset = prefix + length;
    return true;
}

// ---- files -------------------------------------------------------------------------------------

float *npy_read(const char *path, int rank, int64_t *shape, GError **error)
{
    float *data = NULL;
    FILE *file = NULL;
    GStatBuf status;
    if (g_stat(path, &status) != 0) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND, "%s: %s", path, g_strerror(errno));
        goto done;
    }
    if (!S_ISREG(status.st_mode)) { // opening a pipe would wait
        set_bad(error, path, "not a regular file");
        goto done;
    }
    file = g_fopen(path, "rb");
    if (!file) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND, "%s: %s", path, g_strerror(errno));
        goto done;
    }
    struct header header = {0};
    uint64_t offset = 0, elements = 0;
    if (!read_header(file, path, &header, &offset, error) ||
        !check_header(&header, path, rank, &elements, error)) {
        goto done;
    }
    uint64_t wanted = offset + elements * sizeof(float);
    if ((uint64_t)status.st_size != wanted) { // before anything of that size is allocated
        set_bad(error, path, "%s: wanted %" G_GUINT64_FORMAT " bytes, found %" G_GUINT64_FORMAT,
                (uint64_t)status.st_size < wanted ? "truncated" : "data after the end of the array",
                wanted, (uint64_t)status.st_size);
        goto done;
    }
    data = g_try_malloc(elements * sizeof(float));
    if (!data) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "%s: no memory for %" G_GUINT64_FORMAT " values", path, elements);
        goto done;
    }
    if (fread(data, sizeof(float), elements, file) != elements) {
        set_bad(error, path, "the data could not be read");
        g_clear_pointer(&data, g_free);
        goto done;
    }
    for (uint64_t i = 0; G_BYTE_ORDER == G_BIG_ENDIAN && i < elements; i++) {
        uint32_t bits;
        memcpy(&bits, &data[i], sizeof bits);
        bits = GUINT32_SWAP_LE_BE(bits);
        memcpy(&data[i], &bits, sizeof bits);
    }
    memcpy(shape, header.shape, (size_t)rank * sizeof shape[0]);
done:
    if (file) {
        fclose(file);
    }
    return data;
}

static bool write_values(FILE *file, const float *data, uint64_t elements)
{
    if (G_BYTE_ORDER == G_LITTLE_ENDIAN) {
        return fwrite(data, sizeof(float), elements, file) == elements;
    }
    for (uint64_t i = 0; i < elements; i++) {
        uint32_t bits;
        memcpy(&bits, &data[i], sizeof bits);
        bits = GUINT32_TO_LE(bits);
        if (fwrite(&bits, sizeof bits, 1, file) != 1) {
            return false;
        }
    }
    return true;
}

bool npy_write(const char *path, const int64_t *shape, int rank, const float *data, GError **error)
{
    uint64_t elements = 1;
    for (int i = 0; i < rank; i++) {
        elements *= (uint64_t)shape[i];
    }
    g_autofree char *dimensions = shape_text(shape, rank);
    g_autofree char *text =
        g_strdup_printf("{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", dimensions);
    size_t used = 10 + strlen(text) + 1;
    int padding = (int)(align_up(used, 64) - used); // NumPy aligns the data to 64 bytes
    uint16_t length = (uint16_t)(used - 10 + (size_t)padding);
    FILE *file = g_fopen(path, "wb");
    if (!file) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED, "%s: %s", path, g_strerror(errno));
        return false;
    }
    bool ok = fwrite("\x93NUMPY\x01\x00", 1, 8, file) == 8 && fputc(length & 255, file) != EOF &&
              fputc(length >> 8, file) != EOF && fprintf(file, "%s%*s\n", text, padding, "") > 0 &&
              write_values(file, data, elements);
    int code = errno;
    if (fclose(file) != 0 && ok) {
        code = errno;
        ok = false;
    }
    if (!ok) {
        g_unlink(path);
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED, "%s: %s", path, g_strerror(code));
    }
    return ok;
}
