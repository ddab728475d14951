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
// OUTPUT(binding, name): always a storage buffer. STORE(name, index, vec4), RELOAD(name, index) -> vec4
// ADDRESS=1: in words of 64 bit, because lavapipe stores the components of each lane one by one.
#if ADDRESS
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#if HALF
#define WORDS uint64_t
#define PACK(v) packUint2x32(uvec2(packHalf2x16((v).xy), packHalf2x16((v).zw)))
#define UNPACK(w) vec4(unpackHalf2x16(unpackUint2x32(w).x), unpackHalf2x16(unpackUint2x32(w).y))
#else
#define WORDS u64vec2
#define PACK(v) u64vec2(packUint2x32(floatBitsToUint((v).xy)), packUint2x32(floatBitsToUint((v).zw)))
#define UNPACK(w) vec4(uintBitsToFloat(unpackUint2x32((w).x)), uintBitsToFloat(unpackUint2x32((w).y)))
#endif
#else
#define WORDS STORED
#define PACK(v) STORED(v)
#define UNPACK(w) vec4(w)
#endif
#define OUTPUT(b, name) layout(set = 0, binding = b, std430) buffer name##_block { WORDS name[]; }
#define OUTPUT_FLOAT(b, name) layout(set = 0, binding = b, std430) buffer name##_block { vec4 name[]; }
#define STORE(name, i, v) name[i] = PACK(v)
#define RELOAD(name, i) UNPACK(name[i])
#define STORE_FLOAT(name, i, v) name[i] = v
