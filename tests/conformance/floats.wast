;; SPDX-License-Identifier: Apache-2.0
;; CanonicalABI.md "Loading" (canonicalize_nan32, canonicalize_nan64) and "Flattening" (join): every NaN that crosses
;; is the canonical one, also where a float travels in an integer slot.

(component
  (component $inner
    (core module $m
      (func (export "f32-bits") (param f32) (result i32) (i32.reinterpret_f32 (local.get 0)))
      (func (export "f64-bits") (param f64) (result i64) (i64.reinterpret_f64 (local.get 0)))
      (func (export "variant-bits") (param i32 i64) (result i64) (local.get 1)))
    (core instance $i (instantiate $m))
    (type $v' (variant (case "wide" u64) (case "float" f32) (case "double" f64)))
    (export $v "v" (type $v'))
    (func (export "f32-bits") (param "x" f32) (result u32) (canon lift (core func $i "f32-bits")))
    (func (export "f64-bits") (param "x" f64) (result u64) (canon lift (core func $i "f64-bits")))
    (func (export "variant-bits") (param "x" $v) (result u64) (canon lift (core func $i "variant-bits"))))
  (instance $inner (instantiate $inner))
  (core func $f32-bits (canon lower (func $inner "f32-bits")))
  (core func $f64-bits (canon lower (func $inner "f64-bits")))
  (core func $variant-bits (canon lower (func $inner "variant-bits")))
  (core module $m
    (import "" "f32-bits" (func $f32-bits (param f32) (result i32)))
    (import "" "f64-bits" (func $f64-bits (param f64) (result i64)))
    (import "" "variant-bits" (func $variant-bits (param i32 i64) (result i64)))
    (func (export "f32-bits") (param i32) (result i32) (call $f32-bits (f32.reinterpret_i32 (local.get 0))))
    (func (export "f64-bits") (param i64) (result i64) (call $f64-bits (f64.reinterpret_i64 (local.get 0))))
    (func (export "variant-bits") (param i32 i64) (result i64) (call $variant-bits (local.get 0) (local.get 1))))
  (core instance $i (instantiate $m (with "" (instance
    (export "f32-bits" (func $f32-bits)) (export "f64-bits" (func $f64-bits))
    (export "variant-bits" (func $variant-bits))))))
  (func (export "f32-bits") (param "x" u32) (result u32) (canon lift (core func $i "f32-bits")))
  (func (export "f64-bits") (param "x" u64) (result u64) (canon lift (core func $i "f64-bits")))
  (func (export "variant-bits") (param "case" u32) (param "bits" u64) (result u64)
    (canon lift (core func $i "variant-bits")))
)
(assert_return (invoke "f32-bits" (u32.const 0x3f800000)) (u32.const 0x3f800000))
(assert_return (invoke "f32-bits" (u32.const 0x7fc00001)) (u32.const 0x7fc00000))
(assert_return (invoke "f32-bits" (u32.const 0xff800001)) (u32.const 0x7fc00000))
(assert_return (invoke "f32-bits" (u32.const 0xff800000)) (u32.const 0xff800000))
(assert_return (invoke "f64-bits" (u64.const 0x7ff0000000000001)) (u64.const 0x7ff8000000000000))
(assert_return (invoke "f64-bits" (u64.const 0xffffffffffffffff)) (u64.const 0x7ff8000000000000))
(assert_return (invoke "f64-bits" (u64.const 0x8000000000000000)) (u64.const 0x8000000000000000))
(assert_return (invoke "variant-bits" (u32.const 0) (u64.const 0xffffffffffffffff)) (u64.const 0xffffffffffffffff))
;; The upper half of the slot of a narrow case is ignored and comes out as zero.
(assert_return (invoke "variant-bits" (u32.const 1) (u64.const 0xdeadbeef3f800000)) (u64.const 0x3f800000))
(assert_return (invoke "variant-bits" (u32.const 1) (u64.const 0xdeadbeefffffffff)) (u64.const 0x7fc00000))
(assert_return (invoke "variant-bits" (u32.const 2) (u64.const 0xfff0000000000001)) (u64.const 0x7ff8000000000000))
(assert_trap (invoke "variant-bits" (u32.const 3) (u64.const 0)) "invalid variant discriminant")
