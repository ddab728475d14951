// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The published weights that `effdet fetch` knows. Their authors' licences hold for them, not this
// program's.
#include "cli/fetch.h"

#include <string.h>

#define RWIGHTMAN "https://github.com/rwightman/efficientdet-pytorch/releases/download/v0.1/"
#define ZYLO117 "https://github.com/zylo117/Yet-Another-Efficient-Pytorch/releases/download/"
#define GOOGLE "https://storage.googleapis.com/cloud-tpu-checkpoints/efficientdet/"

// rwightman's file names end in the first 8 digits of their SHA-256.
#define PORTED(name_, middle_, sha_, mb_, about_)                                                  \
    {                                                                                              \
        name_, "tf_efficientdet_" middle_ "-" sha_ ".pth",                                         \
            RWIGHTMAN "tf_efficientdet_" middle_ "-" sha_ ".pth", sha_, mb_, "Apache-2.0", about_  \
    }
#define OWN(model_, remote_, sha_, mb_, about_)                                                    \
    {                                                                                              \
        "efficientdet_" model_, "efficientdet_" model_ "-" sha_ ".pth",                            \
            RWIGHTMAN "efficientdet_" remote_ "-" sha_ ".pth", sha_, mb_, "Apache-2.0", about_     \
    }
#define OTHER(model_, remote_, sha_, mb_)                                                          \
    {                                                                                              \
        model_, model_ "-" sha_ ".pth", RWIGHTMAN remote_ "-" sha_ ".pth", sha_, mb_,              \
            "Apache-2.0", "trained by rwightman, COCO"                                             \
    }
#define ZYLO(name_, file_, release_, mb_)                                                          \
    {                                                                                              \
        "zylo117-" name_, file_, ZYLO117 release_ "/" file_, NULL, mb_, "LGPL-3.0-only",           \
            "trained by zylo117, COCO"                                                             \
    }
// TensorFlow checkpoints; the folder of the address tells the sets apart that have equal file
// names.
#define AUTOML(name_, remote_, file_, about_)                                                      \
    {                                                                                              \
        "automl-" name_, file_, GOOGLE remote_, NULL, 0, "Apache-2.0", about_                      \
    }
#define AUTOML_COCO(model_)                                                                        \
    AUTOML(model_, "coco2/efficientdet-" model_ ".tar.gz", "efficientdet-" model_ ".tar.gz",       \
           "google/automl's checkpoint, COCO")
#define AUTOML_LITE(model_)                                                                        \
    AUTOML(model_, "coco/efficientdet-" model_ ".tgz", "efficientdet-" model_ ".tgz",              \
           "google/automl's checkpoint, COCO")
#define AUTOML_AP(model_)                                                                          \
    AUTOML(model_ "_ap", "advprop/efficientdet-" model_ ".tar.gz",                                 \
           "efficientdet-" model_ "-advprop.tar.gz",                                               \
           "google/automl's checkpoint, COCO, Det-AdvProp")

static const struct published catalogue[] = {
    PORTED("d0", "d0_34", "f153e0cf", 16, "google/automl's weights, COCO"),
    PORTED("d1", "d1_40", "a30f94af", 27, "google/automl's weights, COCO"),
    PORTED("d2", "d2_43", "8107aa99", 33, "google/automl's weights, COCO"),
    PORTED("d3", "d3_47", "0b525f35", 49, "google/automl's weights, COCO"),
    PORTED("d4", "d4_49", "f56376d9", 84, "google/automl's weights, COCO"),
    PORTED("d5", "d5_51", "c79f9be6", 136, "google/automl's weights, COCO"),
    PORTED("d6", "d6_52", "4eda3773", 209, "google/automl's weights, COCO"),
    PORTED("d7", "d7_53", "6d1d7a95", 209, "google/automl's weights, COCO"),
    PORTED("d7x", "d7x", "f390b87c", 311, "google/automl's weights, COCO"),
    PORTED("lite0", "lite0", "dfacfc78", 13, "google/automl's weights, COCO"),
    PORTED("lite1", "lite1", "6dc7ab30", 17, "google/automl's weights, COCO"),
    PORTED("lite2", "lite2", "86c5d55b", 22, "google/automl's weights, COCO"),
    PORTED("lite3", "lite3", "506852cb", 34, "google/automl's weights, COCO"),
    PORTED("lite3x", "lite3x", "8404c57b", 38, "google/automl's weights, COCO"),
    PORTED("lite4", "lite4", "391ddabc", 61, "google/automl's weights, COCO"),
    PORTED("d0_ap", "d0_ap", "d0cdbd0a", 16, "google/automl's weights, COCO, Det-AdvProp"),
    PORTED("d1_ap", "d1_ap", "7721d075", 27, "google/automl's weights, COCO, Det-AdvProp"),
    PORTED("d2_ap", "d2_ap", "a2995c19", 33, "google/automl's weights, COCO, Det-AdvProp"),
    PORTED("d3_ap", "d3_ap", "e4a2feab", 49, "google/automl's weights, COCO, Det-AdvProp"),
    PORTED("d4_ap", "d4_ap", "f601a5fc", 84, "google/automl's weights, COCO, Det-AdvProp"),
    PORTED("d5_ap", "d5_ap", "3673ae5d", 136, "google/automl's weights, COCO, Det-AdvProp"),
    OWN("d0", "d0", "f3276ba8", 16, "trained by rwightman, COCO"),
    OWN("d1", "d1", "bb7e98fe", 27, "trained by rwightman, COCO"),
    OWN("q0", "q0", "bdf1bdb5", 17, "trained by rwightman, COCO"),
    OWN("q1", "q1b", "d0612140", 28, "trained by rwightman, COCO"),
    OWN("q2", "q2", "0f7564e5", 36, "trained by rwightman, COCO"),
    OTHER("efficientdetv2_dt", "efficientdetv2_rw_dt_agc", "ad8b8c96", 54),
    OTHER("efficientdetv2_ds", "efficientnetv2_rw_ds_agc", "cf589293", 107),
    OTHER("resdet50", "resdet50_416", "08676892", 111),
    ZYLO("d0", "efficientdet-d0.pth", "1.0", 16),
    ZYLO("d1", "efficientdet-d1.pth", "1.0", 27),
    ZYLO("d2", "efficientdet-d2.pth", "1.0", 33),
    ZYLO("d3", "efficientdet-d3.pth", "1.0", 49),
    ZYLO("d4", "efficientdet-d4.pth", "1.0", 84),
    ZYLO("d5", "efficientdet-d5.pth", "1.0", 136),
    ZYLO("d6", "efficientdet-d6.pth", "1.0", 209),
    ZYLO("d7", "efficientdet-d7.pth", "1.2", 209),
    ZYLO("d7x", "efficientdet-d8.pth", "1.2", 311),
    AUTOML_COCO("d0"),
    AUTOML_COCO("d1"),
    AUTOML_COCO("d2"),
    AUTOML_COCO("d3"),
    AUTOML_COCO("d4"),
    AUTOML_COCO("d5"),
    AUTOML_COCO("d6"),
    AUTOML_COCO("d7"),
    AUTOML_COCO("d7x"),
    AUTOML_LITE("lite0"),
    AUTOML_LITE("lite1"),
    AUTOML_LITE("lite2"),
    AUTOML_LITE("lite3"),
    AUTOML_LITE("lite4"),
    AUTOML_AP("d0"),
    AUTOML_AP("d1"),
    AUTOML_AP("d2"),
    AUTOML_AP("d3"),
    AUTOML_AP("d4"),
    AUTOML_AP("d5"),
};

const struct published *published_all(unsigned *count)
{
    *count = G_N_ELEMENTS(catalogue);
    return catalogue;
}

const struct published *published_find(const char *name)
{
    static const char *const prefixes[] = {"tf_efficientdet_",
                                           "efficientdet-"}; // rwightman's, google's
    const char *brief = name;
    for (unsigned i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        if (g_str_has_prefix(name, prefixes[i])) {
            brief = name + strlen(prefixes[i]);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(catalogue); i++) {
        if (strcmp(catalogue[i].name, brief) == 0 || strcmp(catalogue[i].file, name) == 0) {
            return &catalogue[i];
        }
    }
    return NULL;
}
