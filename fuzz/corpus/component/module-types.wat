;; SPDX-License-Identifier: Apache-2.0
;; Core modules as arguments, recursion groups, every kind of import.
(component
  (core module $m
    (rec (type $f (sub (func (param (ref null $s))))) (type $s (struct (field (mut (ref null $f))) (field i8))))
    (import "a" "t" (table 1 2 funcref)) (import "a" "m" (memory 1 1 shared)) (import "a" "g" (global (mut i32)))
    (import "a" "e" (tag (param i32)))
    (func (export "f") (type $f)) (global (export "v") (ref null $s) (ref.null $s)))
  (core type $mt (module
    (import "a" "t" (table 1 2 funcref)) (import "a" "m" (memory 1 1 shared)) (import "a" "g" (global (mut i32)))
    (import "a" "e" (tag (param i32)))
    (import "unused" "f" (func))))
  (component $c (core type $mt (module
    (import "a" "t" (table 1 2 funcref)) (import "a" "m" (memory 1 1 shared)) (import "a" "g" (global (mut i32)))
    (import "a" "e" (tag (param i32)))))
    (import "m" (core module (type $mt))))
  (instance (instantiate $c (with "m" (core module $m)))))
