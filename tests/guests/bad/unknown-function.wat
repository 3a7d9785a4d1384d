;; SPDX-License-Identifier: Apache-2.0
;; Imports a function that its interface does not have.
(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "rewind" (func (param "by" u64)))))
  (core module $m (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
