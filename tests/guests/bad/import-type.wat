;; SPDX-License-Identifier: Apache-2.0
;; Imports a function of WASI with another type than it has.
(component
  (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result string)))))
  (core module $m (func (export "run") (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $api (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $api)))
