// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A video's frames as something to draw detections on, by whichever way its format and memory
// allow. Which detections a frame shows is the element's business.
#pragma once

#include "layout.h"
#include "settings.h"
#include "statistics.h"
#include "trails.h"
#include "zone_layer.h"

G_BEGIN_DECLS

typedef enum {
    CANVAS_PLANES, // our own code writes into the frame
    CANVAS_BLEND,  // the video library does, more slowly
    CANVAS_ATTACH, // downstream does: a composition travels with the buffer
    CANVAS_NEVER,  // nobody can
} CanvasMode;

// What one frame shows. Objects have the element type EffdetDetection.
typedef struct {
    const GArray *objects;     // drawn as boxes
    const GArray *obscured;    // made unrecognisable before; where canvas_can_obscure() is FALSE,
                               // covered instead
    const GstStructure *zones; // as in zone_meta.h, below all others but for texts; NULL = none
    const Trails *trails;      // NULL = none
    const Statistics *statistics; // NULL = none
    guint alpha;                  // of boxes and texts
} CanvasScene;

// One thread at a time; to be cleared with zeroes, then canvas_set_caps(), at the end
// canvas_finish().
typedef struct {
    GstVideoInfo info;
    gboolean described;        // the video library has a description of the format
    CanvasMode mode, own_mode; // own_mode: if downstream does not draw
    gboolean downstream_draws, attach;
    GstVideoInfo target; // what inks and labels are made for: the frame, or a composition
    InkSet inks;
    LayoutStyle style;
    LabelCache *labels; // made at the first drawing after a change of caps or font
    GArray *shapes;
    ZoneLayer *zones; // made at the first drawing
    gchar *font;
    guint font_px, line_px; // 0 = from the height of the frame
    gboolean smooth;        // what is obscured is blurred
    LabelFormat *label_format;
} Canvas;

// FALSE if the caps have no size. Formats and memory that nobody can draw into are no error here.
gboolean canvas_set_caps(Canvas *canvas, const GstCaps *caps) G_GNUC_WARN_UNUSED_RESULT;

// Downstream's word on whether it draws compositions, after each canvas_set_caps(); counts where
// our own code cannot draw, and where `attach` is set.
void canvas_set_downstream_draws(Canvas *canvas, gboolean draws);

// How it looks from now on. To be called before the first drawing.
void canvas_apply(Canvas *canvas, const OverlaySettings *settings);

// Whether parts of the picture can be made unrecognisable, for which one must write its samples.
gboolean canvas_can_obscure(const Canvas *canvas);

// Draws the scene on a writable buffer; FALSE if its memory cannot be mapped. Not to be called in
// CANVAS_NEVER.
gboolean canvas_draw(Canvas *canvas, GstBuffer *buffer,
                     const CanvasScene *scene) G_GNUC_WARN_UNUSED_RESULT;

void canvas_finish(Canvas *canvas);

G_END_DECLS
