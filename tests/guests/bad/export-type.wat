;; SPDX-License-Identifier: Apache-2.0
;; Exports wasi:cli/run with another type than the interface says.
(component
  (core module $m (func (export "run") (param i32) (result i32) local.get 0))
  (core instance $i (instantiate $m))
  (func $run (param "how" u32) (result u32) (canon lift (core func $i "run")))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
