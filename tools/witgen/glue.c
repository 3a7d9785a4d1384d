// SPDX-License-Identifier: Apache-2.0
#include "glue/glue.h"

#define SCALAR(kind_, size_) \
    { .kind = (kind_), .size = (size_), .align = (size_), .flat_count = 1 }

const ctype glue_bool = SCALAR(CTYPE_BOOL, 1);
const ctype glue_s8 = SCALAR(CTYPE_S8, 1);
const ctype glue_u8 = SCALAR(CTYPE_U8, 1);
const ctype glue_s16 = SCALAR(CTYPE_S16, 2);
const ctype glue_u16 = SCALAR(CTYPE_U16, 2);
const ctype glue_s32 = SCALAR(CTYPE_S32, 4);
const ctype glue_u32 = SCALAR(CTYPE_U32, 4);
const ctype glue_s64 = SCALAR(CTYPE_S64, 8);
const ctype glue_u64 = SCALAR(CTYPE_U64, 8);
const ctype glue_f32 = SCALAR(CTYPE_F32, 4);
const ctype glue_f64 = SCALAR(CTYPE_F64, 8);
const ctype glue_char = SCALAR(CTYPE_CHAR, 4);
const ctype glue_string = {.kind = CTYPE_STRING, .size = 8, .align = 4, .flat_count = 2, .has_pointer = true};
