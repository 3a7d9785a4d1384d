;; SPDX-License-Identifier: Apache-2.0
;; The lifted core function has another signature than the canonical ABI gives it.
(component
  (core module $m (func (export "run") (param i64 i64) (result f32) f32.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
