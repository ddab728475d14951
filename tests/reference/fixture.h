// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The picture with known network inputs and detections (e2e.png, e2e.json), which may not be part
// of this repository, and the resize of its rwightman convention, exactly.
#pragma once

#include "effdet/effdet.h"
#include "reference.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <json-glib/json-glib.h>

struct fixture {
    JsonParser *parser;
    GdkPixbuf *picture;
    JsonObject *root;
    EffdetFrame frame; // the picture
};

// False, with g_test_skip(), when $EFFDET_FIXTURES does not lead to the files.
bool fixture_load(struct fixture *fixture);
void fixture_finish(struct fixture *fixture);
// The rules of "tf", "rw" or "zy".
JsonObject *fixture_rules(const struct fixture *fixture, enum convention convention);
// Checks a normalised [3][H][W] input against the probes of a convention.
void fixture_check_input(const struct fixture *fixture, enum convention convention,
                         const struct ref_tensor *input, double tolerance);

// PIL's bilinear resize of RGB bytes (spec 7.5): two passes, each rounded to 8 bit.
guint8 *pil_resize(const guint8 *rgb, gsize stride, int width, int height, int out_width,
                   int out_height);
// The network input of the rwightman convention with it.
struct ref_tensor pil_preprocess(const EffdetFrame *frame, const struct model *model);
