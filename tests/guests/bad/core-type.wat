;; SPDX-License-Identifier: Apache-2.0
;; The core module inside does not type-check.
(component
  (core module $m (func (export "run") (result i32) i64.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
