// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Backbones of rwightman's other detectors, told by names and shapes, so that a refusal names what
// is lacking (spec 1.9).
#include "weights/recognise.h"

#include <stdio.h>
#include <string.h>

struct signs {
    bool stages;   // CSP networks: "backbone.stages.0..." or, flattened, "backbone.stages_0..."
    bool grouped;  // of these, 3x3 convolutions in groups
    bool mixed;    // depthwise convolutions by number inside a block
    bool wide_end; // a block of nothing but a 1x1 convolution
};

static void look(struct signs *signs, const struct tensor_info *tensor)
{
    static const char stages[] = "backbone.stages";
    const char *name = tensor->name;
    bool kernel = tensor->rank == 4;
    int stage, index, number, consumed = 0;
    if (g_str_has_prefix(name, stages)) {
        signs->stages = true;
        signs->grouped = signs->grouped || (kernel && tensor->shape[2] == 3 &&
                                            4 * tensor->shape[1] <= tensor->shape[0]);
    } else if (sscanf(name, "backbone.blocks.%d.%d.conv_dw.%d.weight", &stage, &index, &number) ==
               3) {
        signs->mixed = true;
    } else if (sscanf(name, "backbone.blocks.%d.%d.conv.weight%n", &stage, &index, &consumed) ==
                   2 &&
               consumed > 0) {
        signs->wide_end = signs->wide_end || (kernel && tensor->shape[2] == 1);
    }
}

char *foreign_backbone(const struct container *container, const int blocks[MAX_STAGES])
{
    struct signs signs = {0};
    for (int i = 0; i < container_count(container); i++) {
        look(&signs, container_tensor(container, i));
    }
    if (signs.stages) {
        return g_strdup_printf("cross-stage partial connections%s and leaky activations "
                               "(CSPResNet, CSPResNeXt, CSPDarkNet), which it does not compute",
                               signs.grouped ? ", grouped convolutions" : "");
    }
    if (signs.mixed) {
        return g_strdup("depthwise convolutions of several sizes in one block (MixNet), which it "
                        "does not compute");
    }
    if (signs.wide_end) {
        return g_strdup("the activation hard-swish (MobileNetV3), which it does not compute");
    }
    GString *found = g_string_new("one with ");
    for (int s = 0; s < MAX_STAGES; s++) {
        g_string_append_printf(found, "%s%d", s ? ", " : "", blocks[s]);
    }
    g_string_append(found, " blocks in its stages");
    return g_string_free(found, FALSE);
}
