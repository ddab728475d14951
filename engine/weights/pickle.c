// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The opcodes of pickles of the protocols 2 to 5 on a bounded stack. What the names in them mean is
// in pickle_torch.c.
#include "weights/pickle.h"

#include "weights/container_internal.h"

#include <string.h>

#define MAX_STACK 16384 // writers put at most 2000 items on it at once
#define MAX_MARKS 128   // nesting
#define MAX_NAME 256

struct reader {
    struct pickle *pickle;
    const uint8_t *data;
    size_t size, position;
    struct pickle_value *stack[MAX_STACK];
    size_t depth;
    size_t marks[MAX_MARKS]; // depth of the stack at each open MARK
    int n_marks;
    GPtrArray *memo; // struct pickle_value *, NULL where nothing was put
    size_t memo_count;
    size_t operation; // position of the opcode at work, for messages
};

enum outcome { DONE, FAILED, OTHER };

G_GNUC_PRINTF(3, 4)
static void report(const struct reader *reader, GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    bad_file(error, "damaged pickle: %s at byte %zu", text, reader->operation);
}
#define refuse(...) (report(__VA_ARGS__), false)

static bool take(struct reader *reader, uint64_t size, const uint8_t **bytes, GError **error)
{
    if (size > reader->size - reader->position) {
        return refuse(reader, error, "it ends within a value of %" G_GUINT64_FORMAT " bytes", size);
    }
    *bytes = reader->data + reader->position;
    reader->position += (size_t)size;
    return true;
}

// Little endian, 1 to 8 bytes.
static bool take_number(struct reader *reader, int size, uint64_t *number, GError **error)
{
    const uint8_t *bytes;
    if (!take(reader, (uint64_t)size, &bytes, error)) {
        return false;
    }
    *number = 0;
    for (int i = 0; i < size; i++) {
        *number |= (uint64_t)bytes[i] << (8 * i);
    }
    return true;
}

// ---- stack
// --------------------------------------------------------------------------------------------------------

static bool push(struct reader *reader, struct pickle_value *value, GError **error)
{
    if (!value) {
        return false;
    }
    if (reader->depth == MAX_STACK) {
        return refuse(reader, error, "more than %d values are stacked", MAX_STACK);
    }
    reader->stack[reader->depth++] = value;
    return true;
}

// Values above the innermost mark.
static size_t available(const struct reader *reader)
{
    return reader->depth - (reader->n_marks ? reader->marks[reader->n_marks - 1] : 0);
}

static bool top(struct reader *reader, struct pickle_value **value, GError **error)
{
    if (available(reader) == 0) {
        return refuse(reader, error, "a value is missing");
    }
    *value = reader->stack[reader->depth - 1];
    return true;
}

static bool pop(struct reader *reader, struct pickle_value **value, GError **error)
{
    if (!top(reader, value, error)) {
        return false;
    }
    reader->depth--;
    return true;
}

static bool push_integer(struct reader *reader, enum pickle_kind kind, int64_t integer,
                         GError **error)
{
    struct pickle_value *value = pickle_value_new(reader->pickle, kind, error);
    if (value) {
        value->integer = integer;
    }
    return push(reader, value, error);
}

static bool push_text(struct reader *reader, enum pickle_kind kind, uint64_t size, GError **error)
{
    const uint8_t *bytes;
    if (!take(reader, size, &bytes, error)) {
        return false;
    }
    if (kind == PICKLE_STRING && size && !memchr(bytes, 0, size) &&
        !g_utf8_validate_len((const char *)bytes, size, NULL)) {
        kind = PICKLE_BYTES; // Python 2 has one type for both; where a string is needed, bytes are
                             // refused
    }
    char *copy = pickle_alloc(reader->pickle, (size_t)size + 1, error);
    struct pickle_value *value = copy ? pickle_value_new(reader->pickle, kind, error) : NULL;
    if (!value) {
        return false;
    }
    memcpy(copy, bytes, (size_t)size);
    value->text.data = copy;
    value->text.size = (size_t)size;
    return push(reader, value, error);
}

// ---- groups of opcodes
// --------------------------------------------------------------------------------------------

#define outcome_of(condition) ((condition) ? DONE : FAILED)

static bool push_long(struct reader *reader, int size_bytes, GError **error)
{
    uint64_t size;
    if (!take_number(reader, size_bytes, &size, error)) {
        return false;
    }
    if (size > 8) {
        return push_text(reader, PICKLE_LONG, size, error);
    }
    uint64_t number;
    if (!take_number(reader, (int)size, &number, error)) {
        return false;
    }
    if (size > 0 && size < 8 && (number >> (8 * size - 1)) & 1) {
        number |= ~UINT64_C(0) << (8 * size);
    }
    return push_integer(reader, PICKLE_INT, (int64_t)number, error);
}

static enum outcome read_number(struct reader *reader, uint8_t code, GError **error)
{
    uint64_t number = 0;
    switch (code) {
    case 0x80: // PROTO: what a later one adds, its opcodes tell
        return outcome_of(take_number(reader, 1, &number, error));
    case 0x95: // FRAME: its length is of use to streams only
        return outcome_of(take_number(reader, 8, &number, error));
    case 'N':
        return outcome_of(push_integer(reader, PICKLE_NONE, 0, error));
    case 0x88: // NEWTRUE
    case 0x89: // NEWFALSE
        return outcome_of(push_integer(reader, PICKLE_BOOL, code == 0x88, error));
    case 'J': // BININT
        return outcome_of(take_number(reader, 4, &number, error) &&
                          push_integer(reader, PICKLE_INT, (int32_t)(uint32_t)number, error));
    case 'K': // BININT1
    case 'M': // BININT2
        return outcome_of(take_number(reader, code == 'K' ? 1 : 2, &number, error) &&
                          push_integer(reader, PICKLE_INT, (int64_t)number, error));
    case 0x8a: // LONG1
        return outcome_of(push_long(reader, 1, error));
    case 0x8b: // LONG4
        return outcome_of(push_long(reader, 4, error));
    case 'G': // BINFLOAT
        return outcome_of(take_number(reader, 8, &number, error) &&
                          push_integer(reader, PICKLE_FLOAT, 0, error));
    default:
        return OTHER;
    }
}

static enum outcome read_text(struct reader *reader, uint8_t code, GError **error)
{
    static const struct {
        uint8_t code, size_bytes;
        enum pickle_kind kind;
    } texts[] = {
        {0x8c, 1, PICKLE_STRING}, // SHORT_BINUNICODE
        {'X', 4, PICKLE_STRING},  // BINUNICODE
        {0x8d, 8, PICKLE_STRING}, // BINUNICODE8
        {'U', 1, PICKLE_STRING},  // SHORT_BINSTRING, from Python 2
        {'T', 4, PICKLE_STRING},  // BINSTRING
        {'C', 1, PICKLE_BYTES},   // SHORT_BINBYTES
        {'B', 4, PICKLE_BYTES},   // BINBYTES
        {0x8e, 8, PICKLE_BYTES},  // BINBYTES8
        {0x96, 8, PICKLE_BYTES},  // BYTEARRAY8
    };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (texts[i].code == code) {
            uint64_t size;
            return outcome_of(take_number(reader, texts[i].size_bytes, &size, error) &&
                              push_text(reader, texts[i].kind, size, error));
        }
    }
    return OTHER;
}

static bool memo_put(struct reader *reader, uint64_t slot, GError **error)
{
    struct pickle_value *value;
    if (!top(reader, &value, error)) {
        return false;
    }
    // Writers count up, and each value before this one took at least a byte.
    if (slot >= reader->position) {
        return refuse(reader, error, "memo slot %" G_GUINT64_FORMAT " is out of order", slot);
    }
    if (slot >= reader->memo->len) {
        g_ptr_array_set_size(reader->memo, (int)slot + 1);
    }
    reader->memo->pdata[slot] = value;
    reader->memo_count++;
    return true;
}

static bool memo_get(struct reader *reader, uint64_t slot, GError **error)
{
    if (slot >= reader->memo->len || !reader->memo->pdata[slot]) {
        return refuse(reader, error, "memo slot %" G_GUINT64_FORMAT " is empty", slot);
    }
    return push(reader, reader->memo->pdata[slot], error);
}

static enum outcome read_memo(struct reader *reader, uint8_t code, GError **error)
{
    uint64_t slot;
    switch (code) {
    case 'q': // BINPUT
    case 'r': // LONG_BINPUT
        return outcome_of(take_number(reader, code == 'q' ? 1 : 4, &slot, error) &&
                          memo_put(reader, slot, error));
    case 0x94: // MEMOIZE
        return outcome_of(memo_put(reader, reader->memo_count, error));
    case 'h': // BINGET
    case 'j': // LONG_BINGET
        return outcome_of(take_number(reader, code == 'h' ? 1 : 4, &slot, error) &&
                          memo_get(reader, slot, error));
    default:
        return OTHER;
    }
}

// Closes the innermost mark: *first is the index of the first value above it, which stay on the
// stack.
static bool close_mark(struct reader *reader, size_t *first, GError **error)
{
    if (reader->n_marks == 0) {
        return refuse(reader, error, "a mark is missing");
    }
    *first = reader->marks[--reader->n_marks];
    return true;
}

// A new sequence of the values from `first` on, which leave the stack.
static bool push_sequence(struct reader *reader, enum pickle_kind kind, size_t first,
                          GError **error)
{
    struct pickle_value *value = pickle_value_new(reader->pickle, kind, error);
    if (!value) {
        return false;
    }
    size_t count = kind == PICKLE_OPAQUE ? 0 : reader->depth - first;
    if (kind == PICKLE_DICT && count % 2) {
        return refuse(reader, error, "a dictionary has a key without value");
    }
    if (count) {
        value->list.items = pickle_alloc(reader->pickle, count * sizeof *value->list.items, error);
        if (!value->list.items) {
            return false;
        }
        memcpy(value->list.items, reader->stack + first, count * sizeof *value->list.items);
        value->list.count = value->list.capacity = count;
    }
    reader->depth = first;
    return push(reader, value, error);
}

// Moves the values from `first` on into the list or dictionary below them. Objects that are not
// looked into take anything.
static bool extend(struct reader *reader, enum pickle_kind kind, size_t first, GError **error)
{
    size_t count = reader->depth - first;
    reader->depth = first;
    struct pickle_value *target;
    if (!top(reader, &target, error)) {
        return false;
    }
    if (target->kind == PICKLE_OPAQUE) {
        return true;
    }
    if (target->kind != kind) {
        return refuse(reader, error, "values are added to something that is no %s",
                      kind == PICKLE_DICT ? "dictionary" : "list");
    }
    if (kind == PICKLE_DICT && count % 2) {
        return refuse(reader, error, "a dictionary has a key without value");
    }
    for (size_t i = 0; i < count; i++) {
        if (!pickle_append(reader->pickle, target, reader->stack[first + i], error)) {
            return false;
        }
    }
    return true;
}

static bool extend_by(struct reader *reader, enum pickle_kind kind, size_t count, GError **error)
{
    if (available(reader) <= count) {
        return refuse(reader, error, "a value is missing");
    }
    return extend(reader, kind, reader->depth - count, error);
}

// Sets are not looked into.
static enum pickle_kind kind_of(uint8_t code)
{
    return strchr(")t", code)    ? PICKLE_TUPLE
           : strchr("]ae", code) ? PICKLE_LIST
           : strchr("}su", code) ? PICKLE_DICT
                                 : PICKLE_OPAQUE;
}

static enum outcome read_collection(struct reader *reader, uint8_t code, GError **error)
{
    size_t first = reader->depth;
    switch (code) {
    case '(': // MARK
        if (reader->n_marks == MAX_MARKS) {
            return outcome_of(refuse(reader, error, "more than %d levels are nested", MAX_MARKS));
        }
        reader->marks[reader->n_marks++] = reader->depth;
        return DONE;
    case ')':  // EMPTY_TUPLE
    case ']':  // EMPTY_LIST
    case '}':  // EMPTY_DICT
    case 0x8f: // EMPTY_SET
        return outcome_of(push_sequence(reader, kind_of(code), first, error));
    case 0x85: // TUPLE1, TUPLE2, TUPLE3
    case 0x86:
    case 0x87:
        if (available(reader) < code - 0x84u) {
            return outcome_of(refuse(reader, error, "a value is missing"));
        }
        return outcome_of(push_sequence(reader, PICKLE_TUPLE, first - (code - 0x84u), error));
    case 't':  // TUPLE
    case 0x91: // FROZENSET
        return outcome_of(close_mark(reader, &first, error) &&
                          push_sequence(reader, kind_of(code), first, error));
    case 'a': // APPEND
    case 's': // SETITEM
        return outcome_of(extend_by(reader, kind_of(code), code == 's' ? 2 : 1, error));
    case 'e':  // APPENDS
    case 'u':  // SETITEMS
    case 0x90: // ADDITEMS
        return outcome_of(close_mark(reader, &first, error) &&
                          extend(reader, kind_of(code), first, error));
    default:
        return OTHER;
    }
}

static bool take_line(struct reader *reader, char line[MAX_NAME], GError **error)
{
    const uint8_t *start = reader->data + reader->position;
    size_t left = reader->size - reader->position;
    const uint8_t *end = left ? memchr(start, '\n', MIN(left, MAX_NAME)) : NULL;
    if (!end) {
        return refuse(reader, error, "a name does not end");
    }
    memcpy(line, start, (size_t)(end - start));
    line[end - start] = 0;
    reader->position += (size_t)(end - start) + 1;
    return true;
}

static bool read_global(struct reader *reader, uint8_t code, GError **error)
{
    if (code == 'c') { // GLOBAL
        char module[MAX_NAME], name[MAX_NAME];
        return take_line(reader, module, error) && take_line(reader, name, error) &&
               push(reader, pickle_global(reader->pickle, module, name, error), error);
    }
    struct pickle_value *name, *module; // STACK_GLOBAL
    if (!pop(reader, &name, error) || !pop(reader, &module, error)) {
        return false;
    }
    if (name->kind != PICKLE_STRING || module->kind != PICKLE_STRING) {
        return refuse(reader, error, "a name is no string");
    }
    return push(reader, pickle_global(reader->pickle, module->text.data, name->text.data, error),
                error);
}

static bool read_call(struct reader *reader, GError **error)
{
    struct pickle_value *arguments, *callee;
    return pop(reader, &arguments, error) && pop(reader, &callee, error) &&
           push(reader, pickle_call(reader->pickle, callee, arguments, error), error);
}

static bool read_build(struct reader *reader, GError **error)
{
    struct pickle_value *state, *target;
    if (!pop(reader, &state, error) || !top(reader, &target, error)) {
        return false;
    }
    // The attributes of an object are of no interest (an OrderedDict carries _metadata).
    if (target->kind != PICKLE_DICT && target->kind != PICKLE_OPAQUE &&
        target->kind != PICKLE_TENSOR) {
        return refuse(reader, error, "attributes are given to something that has none");
    }
    return true;
}

static enum outcome read_object(struct reader *reader, uint8_t code, GError **error)
{
    struct pickle_value *value;
    switch (code) {
    case 'c':
    case 0x93: // STACK_GLOBAL
        return outcome_of(read_global(reader, code, error));
    case 'R':  // REDUCE
    case 0x81: // NEWOBJ
        return outcome_of(read_call(reader, error));
    case 'b': // BUILD
        return outcome_of(read_build(reader, error));
    case 'Q': // BINPERSID
        return outcome_of(pop(reader, &value, error) &&
                          push(reader, pickle_persistent(reader->pickle, value, error), error));
    default:
        return OTHER;
    }
}

// Runs to the STOP and leaves the result in *value.
static bool read_all(struct reader *reader, struct pickle_value **value, GError **error)
{
    static enum outcome (*const groups[])(struct reader *, uint8_t, GError **) = {
        read_number, read_text, read_memo, read_collection, read_object};
    while (reader->position < reader->size) {
        reader->operation = reader->position;
        uint8_t code = reader->data[reader->position++];
        enum outcome outcome = OTHER;
        if (code == '.') {
            return pop(reader, value, error);
        }
        for (size_t i = 0; outcome == OTHER && i < G_N_ELEMENTS(groups); i++) {
            outcome = groups[i](reader, code, error);
        }
        if (outcome == OTHER) {
            return refuse(reader, error, "opcode 0x%02x is not one that PyTorch writes", code);
        }
        if (outcome == FAILED) {
            return false;
        }
    }
    reader->operation = reader->position;
    return refuse(reader, error,
                  reader->size == PICKLE_MAX_BYTES ? "it does not end" : "it is cut off");
}

const struct pickle_value *pickle_load(struct pickle *pickle, const uint8_t *data, size_t size,
                                       size_t *consumed, GError **error)
{
    struct reader *reader = g_new0(struct reader, 1);
    reader->pickle = pickle;
    reader->data = data;
    reader->size = MIN(size, PICKLE_MAX_BYTES);
    reader->memo = g_ptr_array_new();
    struct pickle_value *value = NULL;
    if (!read_all(reader, &value, error)) {
        value = NULL;
    }
    *consumed = reader->position;
    g_ptr_array_unref(reader->memo);
    g_free(reader);
    return value;
}
