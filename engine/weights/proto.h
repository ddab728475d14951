// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: protocol buffers, a field at a time.
#pragma once

#include "weights/bytes.h"

struct proto_field {
    uint64_t number;
    enum { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 } type;
    uint64_t value;    // of the numbers
    struct bytes data; // of PROTO_BYTES
};
enum proto_next { PROTO_END, PROTO_FIELD, PROTO_DAMAGED };
enum proto_next proto_next(struct bytes *message, struct proto_field *field) WARN_UNUSED;
