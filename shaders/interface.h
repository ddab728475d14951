// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The header that C and GLSL share: binding numbers, push-constant blocks, specialisation ids and limits. One section an operation.
// What changes the shape of the code is a specialisation constant or a -D build; what changes by layer is a push constant; what never changes
// is a literal here. Only 32-bit scalars in the blocks, so that both languages lay them out alike.
#ifndef EFFDET_INTERFACE_H
#define EFFDET_INTERFACE_H

#ifdef __STDC_VERSION__
#include <stdint.h>
#define PUSH_BEGIN(name) struct name {
#define PUSH_END(name) }; _Static_assert(sizeof(struct name) <= 128, #name " exceeds the guaranteed push-constant size");
#define UINT uint32_t
#define INT int32_t
#define FLOAT float
#else
#define PUSH_BEGIN(name) layout(push_constant) uniform name {
#define PUSH_END(name) } push;
#define UINT uint
#define INT int
#define FLOAT float
#endif

// Activations, as enum activation in net/model.h
#define ACTIVATION_NONE 0
#define ACTIVATION_SWISH 1
#define ACTIVATION_RELU6 2
#define ACTIVATION_RELU 3
#define ACTIVATION_SIGMOID 4

#define LEVELS_MAX 6

// A GLSL file defines exactly one of the INTERFACE_... names before it includes this header, and gets that block only; C gets all.

// ---- preprocess

// ---- stem

// ---- pointwise

// ---- depthwise

// ---- mean

// ---- squeeze

// ---- scale

// ---- node

// ---- decode

#endif
