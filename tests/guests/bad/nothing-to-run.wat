;; SPDX-License-Identifier: Apache-2.0
;; Has nothing that the host could call.
(component
  (core module $m (func (export "f") (result i32) i32.const 0))
  (core instance $i (instantiate $m))
  (func $f (result u32) (canon lift (core func $i "f")))
  (export "f" (func $f)))
