// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// How tensors are read and written. TEXEL=1: inputs are texel buffers (the view's format converts), else storage buffers. HALF=1: values are
// stored as 16-bit floats. ADDRESS=1: tensors that are always 32-bit are storage buffers in any case, because their addresses are uniform.
// One element here is always four channels of one pixel; arithmetic is 32-bit throughout.
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
#if HALF
#extension GL_EXT_shader_16bit_storage : require
#define STORED f16vec4
#else
#define STORED vec4
#endif

// INPUT(binding, name): a tensor in storage precision. LOAD(name, index) -> vec4
// INPUT_FLOAT(binding, name): a tensor that is always 32-bit.
#if TEXEL
#define INPUT(b, name) layout(set = 0, binding = b) uniform samplerBuffer name
#define LOAD(name, i) texelFetch(name, int(i))
#else
#define INPUT(b, name) layout(set = 0, binding = b, std430) readonly buffer name##_block { STORED name[]; }
#define LOAD(name, i) vec4(name[i])
#endif
#if TEXEL && !ADDRESS
#define INPUT_FLOAT(b, name) layout(set = 0, binding = b) uniform samplerBuffer name
#define LOAD_FLOAT(name, i) texelFetch(name, int(i))
#else
#define INPUT_FLOAT(b, name) layout(set = 0, binding = b, std430) readonly buffer name##_block { vec4 name[]; }
#define LOAD_FLOAT(name, i) name[i]
#endif
// OUTPUT(binding, name): always a storage buffer. STORE(name, index, vec4)
#define OUTPUT(b, name) layout(set = 0, binding = b, std430) buffer name##_block { STORED name[]; }
#define OUTPUT_FLOAT(b, name) layout(set = 0, binding = b, std430) buffer name##_block { vec4 name[]; }
#define STORE(name, i, v) name[i] = STORED(v)
#define STORE_FLOAT(name, i, v) name[i] = v
