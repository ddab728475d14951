// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// One file over HTTP into a folder: resumes, retries, checks, and puts it in place at once. What is
// worth fetching is in fetch_catalogue.c.
#include "cli/fetch.h"
#include "effdet/effdet.h"
#include "weights/container.h"

#include <errno.h>
#include <fcntl.h>
#include <libsoup/soup.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES (64u << 10)
#define MAX_BYTES (UINT64_C(2) << 30)

struct transfer {
    const struct published *published;
    const struct fetch_options *options;
    SoupSession *session;
    char *address;
    char *part;            // path of FILE.part
    int fd;                // of it, locked
    uint64_t bytes, total; // received; announced, or 0
    char *etag;            // of the contents in FILE.part; NULL at first
};

enum outcome { DONE, AGAIN, FAILED };

#define fail(error, ...) g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED, __VA_ARGS__)

// ---- checks
// -------------------------------------------------------------------------------------------------------

static char *sha256_of(const char *path, uint64_t *bytes, GError **error)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GFileInputStream) stream = g_file_read(file, NULL, error);
    if (!stream) {
        return NULL;
    }
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree guint8 *chunk = g_malloc(CHUNK_BYTES);
    gssize got;
    *bytes = 0;
    while ((got = g_input_stream_read(G_INPUT_STREAM(stream), chunk, CHUNK_BYTES, NULL, error)) >
           0) {
        g_checksum_update(checksum, chunk, got);
        *bytes += (uint64_t)got;
    }
    return got < 0 ? NULL : g_strdup(g_checksum_get_string(checksum));
}

// The checksum where one is known, and that the file holds named tensors.
static bool check_file(const struct published *published, const char *path,
                       struct fetch_result *result, GError **error)
{
    g_clear_pointer(&result->sha256, g_free);
    result->sha256 = sha256_of(path, &result->bytes, error);
    if (!result->sha256) {
        return false;
    }
    g_autoptr(GError) cause = NULL;
    struct container *container = container_open(path, &cause);
    bool readable = container;
    container_close(&container);
    if (published->sha256 && !g_str_has_prefix(result->sha256, published->sha256)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                    "%s is not the published file: its SHA-256 %s does not begin with %s%s%s", path,
                    result->sha256, published->sha256, readable ? "" : "; ",
                    readable ? "" : cause->message + strlen(path) + 2);
        return false;
    }
    if (!readable) {
        g_propagate_error(error, g_steal_pointer(&cause));
    }
    return readable;
}

// ---- the connection
// -----------------------------------------------------------------------------------------------

static const char *environment(const char *lower, const char *upper)
{
    const char *value = g_getenv(lower);
    value = value && *value ? value : g_getenv(upper);
    return value && *value ? value : NULL;
}

// The customary variables, also where GLib has no module that reads them; without them what the
// desktop says.
static GProxyResolver *proxy_resolver(void)
{
    const char *http =
        g_getenv("http_proxy"); // never the upper-case form: CGI servers set that from a request
    const char *https = environment("https_proxy", "HTTPS_PROXY"),
               *all = environment("all_proxy", "ALL_PROXY");
    const char *direct = environment("no_proxy", "NO_PROXY");
    if (!(http && *http) && !https && !all) {
        return g_object_ref(g_proxy_resolver_get_default());
    }
    g_auto(GStrv) hosts = direct ? g_strsplit_set(direct, ", ", -1) : NULL;
    GProxyResolver *resolver = g_simple_proxy_resolver_new(all, hosts);
    if (http && *http) {
        g_simple_proxy_resolver_set_uri_proxy(G_SIMPLE_PROXY_RESOLVER(resolver), "http", http);
    }
    if (https) {
        g_simple_proxy_resolver_set_uri_proxy(G_SIMPLE_PROXY_RESOLVER(resolver), "https", https);
    }
    return resolver;
}

static SoupSession *session_new(unsigned timeout_s)
{
    g_autoptr(GProxyResolver) resolver = proxy_resolver();
    SoupSession *session =
        soup_session_new_with_options("timeout", timeout_s, "proxy-resolver", resolver,
                                      "user-agent", "effdet/" EFFDET_VERSION, NULL);
    soup_session_remove_feature_by_type(session,
                                        SOUP_TYPE_CONTENT_DECODER); // ranges count encoded bytes
    return session;
}

static char *address_of(const struct published *published, const char *base)
{
    if (!base) {
        return g_strdup(published->address);
    }
    const char *path = strchr(strstr(published->address, "://") + 3, '/');
    size_t length = strlen(base);
    while (length && base[length - 1] == '/') {
        length--;
    }
    return g_strdup_printf("%.*s%s", (int)length, base, path);
}

// ---- one request
// --------------------------------------------------------------------------------------------------

static bool start_over(struct transfer *transfer, GError **error)
{
    transfer->bytes = 0;
    g_clear_pointer(&transfer->etag, g_free);
    if (ftruncate(transfer->fd, 0)) {
        fail(error, "%s: cannot be emptied: %s", transfer->part, g_strerror(errno));
        return false;
    }
    return true;
}

static bool check_size(const struct transfer *transfer, GError **error)
{
    uint64_t about = (uint64_t)transfer->published->megabytes * 1000000;
    if (transfer->total > MAX_BYTES) {
        fail(error,
             "%s: the server offers %" G_GUINT64_FORMAT " bytes, too many for a weights file",
             transfer->address, transfer->total);
        return false;
    }
    if (about && transfer->total && (transfer->total < about / 2 || transfer->total > about * 2)) {
        fail(error,
             "%s: the server offers %" G_GUINT64_FORMAT " bytes where about %u MB were expected",
             transfer->address, transfer->total, transfer->published->megabytes);
        return false;
    }
    return true;
}

// What the answer's head says: whether its body continues the part, replaces it, or is of no use.
static enum outcome judge_answer(struct transfer *transfer, SoupMessage *message, GError **error)
{
    SoupMessageHeaders *headers = soup_message_get_response_headers(message);
    guint status = soup_message_get_status(message);
    transfer->total = 0;
    if (status == SOUP_STATUS_OK) {
        if (soup_message_headers_get_encoding(headers) == SOUP_ENCODING_CONTENT_LENGTH) {
            transfer->total = (uint64_t)soup_message_headers_get_content_length(headers);
        }
        if (!start_over(transfer, error)) {
            return FAILED;
        }
    } else if (status == SOUP_STATUS_PARTIAL_CONTENT) {
        goffset start, end, total;
        if (!soup_message_headers_get_content_range(headers, &start, &end, &total) ||
            (uint64_t)start != transfer->bytes) {
            fail(error, "%s: the server sent another part of the file than was asked for",
                 transfer->address);
            return start_over(transfer, NULL) ? AGAIN : FAILED;
        }
        transfer->total = total > 0 ? (uint64_t)total : 0;
    } else {
        fail(error, "%s: HTTP %u %s", transfer->address, status,
             soup_message_get_reason_phrase(message));
        if (status == SOUP_STATUS_REQUESTED_RANGE_NOT_SATISFIABLE && transfer->bytes) {
            return start_over(transfer, NULL) ? AGAIN : FAILED;
        }
        return status >= 500 || status == SOUP_STATUS_REQUEST_TIMEOUT || status == 429 ? AGAIN
                                                                                       : FAILED;
    }
    g_free(transfer->etag);
    transfer->etag = g_strdup(soup_message_headers_get_one(headers, "ETag"));
    return check_size(transfer, error) ? DONE : FAILED;
}

static bool write_all(const struct transfer *transfer, const uint8_t *bytes, size_t size,
                      GError **error)
{
    uint64_t position = transfer->bytes;
    while (size) {
        ssize_t written = pwrite(transfer->fd, bytes, size, (off_t)position);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            fail(error, "%s: cannot be written: %s", transfer->part, g_strerror(errno));
            return false;
        }
        bytes += written;
        position += (uint64_t)written;
        size -= (size_t)written;
    }
    return true;
}

static enum outcome receive(struct transfer *transfer, GInputStream *stream, GError **error)
{
    const struct fetch_options *options = transfer->options;
    g_autofree uint8_t *chunk = g_malloc(CHUNK_BYTES);
    gssize got;
    while ((got = g_input_stream_read(stream, chunk, CHUNK_BYTES, NULL, error)) > 0) {
        if (!write_all(transfer, chunk, (size_t)got, error)) {
            return FAILED;
        }
        transfer->bytes += (uint64_t)got;
        if (transfer->bytes > (transfer->total ? transfer->total : MAX_BYTES)) {
            fail(error, "%s: the server sends more than it announced", transfer->address);
            return FAILED;
        }
        if (options->progress) {
            options->progress(transfer->bytes, transfer->total, options->user_data);
        }
    }
    if (got < 0) {
        g_prefix_error(error, "%s: stopped after %" G_GUINT64_FORMAT " bytes: ", transfer->address,
                       transfer->bytes);
        return AGAIN;
    }
    if (transfer->total && transfer->bytes < transfer->total) {
        fail(error, "%s: ended after %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes",
             transfer->address, transfer->bytes, transfer->total);
        return AGAIN;
    }
    return DONE;
}

static enum outcome request(struct transfer *transfer, GError **error)
{
    g_autoptr(SoupMessage) message = soup_message_new("GET", transfer->address);
    if (!message) {
        fail(error, "%s is no address", transfer->address);
        return FAILED;
    }
    if (transfer->bytes) {
        SoupMessageHeaders *headers = soup_message_get_request_headers(message);
        soup_message_headers_set_range(headers, (goffset)transfer->bytes, -1);
        if (transfer->etag && !g_str_has_prefix(transfer->etag, "W/")) {
            soup_message_headers_replace(headers, "If-Range", transfer->etag);
        }
    }
    g_autoptr(GInputStream) stream = soup_session_send(transfer->session, message, NULL, error);
    if (!stream) {
        bool hopeless = error && g_error_matches(*error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
        hopeless = hopeless || (error && *error && (*error)->domain == G_TLS_ERROR);
        g_prefix_error(error, "%s: ", transfer->address);
        return hopeless ? FAILED : AGAIN;
    }
    enum outcome outcome = judge_answer(transfer, message, error);
    return outcome == DONE ? receive(transfer, stream, error) : outcome;
}

// Requests until the file is complete, patience ends or the failure is final.
static bool complete_part(struct transfer *transfer, GError **error)
{
    gulong pause_ms = transfer->options->pause_ms;
    for (unsigned attempt = 1;; attempt++) {
        GError *cause = NULL;
        enum outcome outcome = request(transfer, &cause);
        if (outcome == DONE) {
            return true;
        }
        if (outcome == FAILED || attempt >= transfer->options->attempts) {
            g_propagate_error(error, cause);
            return false;
        }
        g_clear_error(&cause);
        g_usleep(pause_ms * 1000);
        pause_ms *= 2;
    }
}

// ---- the file
// -----------------------------------------------------------------------------------------------------

// Opens and locks FILE.part. One that another process renamed in between is not the one that the
// path names any more.
static bool open_part(struct transfer *transfer, GError **error)
{
    struct stat opened, named;
    do {
        if (transfer->fd >= 0) {
            close(transfer->fd);
        }
        transfer->fd = open(transfer->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (transfer->fd < 0 || fstat(transfer->fd, &opened)) {
            fail(error, "%s: cannot be opened: %s", transfer->part, g_strerror(errno));
            return false;
        }
        if (flock(transfer->fd, LOCK_EX | LOCK_NB)) {
            close(transfer->fd);
            transfer->fd = -1; // not ours to remove
            fail(error, "%s: another effdet fetch is at work on it", transfer->part);
            return false;
        }
    } while (lstat(transfer->part, &named) || opened.st_ino != named.st_ino ||
             opened.st_dev != named.st_dev);
    if (!transfer->published->sha256) {
        return start_over(transfer, error); // nothing would tell whether the rest belongs to it
    }
    transfer->bytes = (uint64_t)opened.st_size;
    return true;
}

static bool put_in_place(struct transfer *transfer, const char *path, struct fetch_result *result,
                         GError **error)
{
    if (!check_file(transfer->published, transfer->part, result, error)) {
        unlink(transfer->part);
        g_prefix_error(error, "%s: what came is not kept: ", transfer->address);
        return false;
    }
    if (fsync(transfer->fd) || rename(transfer->part, path)) {
        fail(error, "%s: cannot be put in place: %s", path, g_strerror(errno));
        return false;
    }
    return true;
}

static bool fetch(struct transfer *transfer, const char *path, struct fetch_result *result,
                  GError **error)
{
    if (!open_part(transfer, error)) {
        return false;
    }
    bool resumed = transfer->bytes > 0;
    if (!complete_part(transfer, error)) {
        return false;
    }
    // The beginning may be of another file: once more from the start.
    g_autoptr(GError) cause = NULL;
    if (resumed && !check_file(transfer->published, transfer->part, result, &cause) &&
        (!start_over(transfer, error) || !complete_part(transfer, error))) {
        return false;
    }
    return put_in_place(transfer, path, result, error);
}

bool fetch_published(const struct published *published, const struct fetch_options *options,
                     struct fetch_result *result, GError **error)
{
    *result =
        (struct fetch_result){.path = g_build_filename(options->folder, published->file, NULL)};
    if (!options->force && g_file_test(result->path, G_FILE_TEST_EXISTS) &&
        check_file(published, result->path, result, NULL)) {
        result->was_there = true;
        return true;
    }
    if (g_mkdir_with_parents(options->folder, 0777)) {
        fail(error, "%s: cannot be made: %s", options->folder, g_strerror(errno));
        return false;
    }
    struct transfer transfer = {.published = published, .options = options, .fd = -1};
    transfer.address = address_of(published, options->base);
    transfer.part = g_strconcat(result->path, ".part", NULL);
    transfer.session = session_new(options->timeout_s);
    bool ok = fetch(&transfer, result->path, result, error);
    if (transfer.fd >= 0) {
        if (!ok && transfer.bytes == 0) {
            unlink(transfer.part); // nothing to go on with
        }
        close(transfer.fd);
    }
    g_object_unref(transfer.session);
    g_free(transfer.address);
    g_free(transfer.part);
    g_free(transfer.etag);
    return ok;
}

void fetch_result_finish(struct fetch_result *result)
{
    g_clear_pointer(&result->path, g_free);
    g_clear_pointer(&result->sha256, g_free);
}
