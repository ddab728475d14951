// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The wire format of protocol buffers. What the fields mean is known by those who ask.
#include "weights/proto.h"

enum proto_next proto_next(struct bytes *message, struct proto_field *field)
{
    uint64_t key, length;
    bool ok = false;
    if (message->size == 0) {
        return PROTO_END;
    }
    *field = (struct proto_field){0};
    if (!bytes_varint(message, &key) || key >> 3 == 0 || key > UINT32_MAX) {
        return PROTO_DAMAGED;
    }
    field->number = key >> 3;
    switch (key & 7) {
    case PROTO_VARINT:
        field->type = PROTO_VARINT;
        ok = bytes_varint(message, &field->value);
        break;
    case PROTO_FIXED64:
        field->type = PROTO_FIXED64;
        ok = bytes_number(message, 8, &field->value);
        break;
    case PROTO_BYTES:
        field->type = PROTO_BYTES;
        ok = bytes_varint(message, &length) && bytes_take(message, length, &field->data);
        break;
    case PROTO_FIXED32:
        field->type = PROTO_FIXED32;
        ok = bytes_number(message, 4, &field->value);
        break;
    default: // groups, which nobody has written for twenty years
        break;
    }
    return ok ? PROTO_FIELD : PROTO_DAMAGED;
}
