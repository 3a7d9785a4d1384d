;; SPDX-License-Identifier: Apache-2.0
;; A core instance is handed a function of another type than its module imports.
(component
  (core module $a (func (export "f") (param i64)))
  (core module $b (import "a" "f" (func (param i32))) (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $a))
  (core instance $j (instantiate $b (with "a" (instance $i))))
  (func $run (result (result)) (canon lift (core func $j "run")))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
