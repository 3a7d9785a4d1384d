;; SPDX-License-Identifier: Apache-2.0
;; Exports the interface, but the function in it has another name.
(component
  (core module $m (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $api (export "walk" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
