// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The header that C and GLSL share: binding numbers, push-constant blocks, specialisation ids and limits. One section an operation.
// What changes the shape of the code is a specialisation constant or a -D build; what changes by layer is a push constant; what never changes
// is a literal here; what changes by frame is in a uniform buffer. Only 32-bit scalars in the blocks, after two device addresses at most (in uniform
// buffers also arrays of vec4, after a multiple of four scalars), so that both languages lay them out alike.
#ifndef EFFDET_INTERFACE_H
#define EFFDET_INTERFACE_H

#ifdef __STDC_VERSION__
#include <stdint.h>
#define PUSH_BEGIN(name) struct name {
#define PUSH_END(name) }; _Static_assert(sizeof(struct name) <= 128, #name " exceeds the guaranteed push-constant size");
#define UNIFORM_BEGIN(name, b) struct name {
#define UNIFORM_END(name) };
#define VEC4(name, n) float name[n][4];
#define UINT uint32_t
#define INT int32_t
#define FLOAT float
#define ADDRESS_OF(type, name) uint64_t name;
#define ADDRESS_WORDS(name) uint64_t name;
#else
#define PUSH_BEGIN(name) layout(push_constant) uniform name {
#define PUSH_END(name) } push;
#define UNIFORM_BEGIN(name, b) layout(set = 0, binding = b, std140) uniform name {
#define UNIFORM_END(name) } params;
#define VEC4(name, n) vec4 name[n];
#define UINT uint
#define INT int
#define FLOAT float
#define ADDRESS_WORDS(name) uvec2 name;
#if ADDRESS && !LANES
#define ADDRESS_OF(type, name) type name;
#else
#define ADDRESS_OF(type, name) uvec2 name;
#endif
#endif

// Activations, as enum activation in net/model.h
#define ACTIVATION_NONE 0
#define ACTIVATION_SWISH 1
#define ACTIVATION_RELU6 2
#define ACTIVATION_RELU 3
#define ACTIVATION_SIGMOID 4

#define LEVELS_MAX 6

// Specialisation constants of every operation of the network: activation, and invocations in a workgroup (at most 128).
#define SPEC_ACTIVATION 0
#define SPEC_LOCAL_SIZE 1

// A GLSL file defines exactly one of the INTERFACE_... names before it includes this header, and gets that block only; C gets all.

#include "interface_frame.h"
#include "interface_net.h"
#include "interface_separable.h"
#include "interface_expand.h"
#include "interface_sums.h"
#include "interface_squeeze.h"

// ---- ceiling
#define CEILING_SPEC_COPY 0 // copy, else multiply and add
#define CEILING_SPECS 1
#define CEILING_LOCAL 64
#define CEILING_COPIES 8    // elements of an invocation
#define CEILING_SUMS 12     // of an invocation: as many as fit sixteen registers
#define CEILING_STEPS 16    // unrolled
#define CEILING_ROUNDS 64
#if defined(INTERFACE_CEILING) || defined(__STDC_VERSION__)
PUSH_BEGIN(ceiling_push)
    FLOAT factor, term;
PUSH_END(ceiling_push)
#endif

#endif
