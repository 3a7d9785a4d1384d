;; SPDX-License-Identifier: Apache-2.0
;; Components as arguments: types of components that mention resources of the outside.
(component
  (component $giver
    (import "r" (type $r (sub resource)))
    (type $t (component (alias outer 1 $r (type $x)) (import "x" (type (eq $x))) (export "y" (type (eq $x)))))
    (export "t" (type $t)))
  (component $taker
    (import "r" (type $r (sub resource)))
    (import "c" (component $c (import "x" (type $x (sub resource))) (export "y" (type (eq $x)))))
    (instance (instantiate $c (with "x" (type $r)))))
  (component $same (import "x" (type $x (sub resource))) (export "y" (type $x)))
  (type $r (resource (rep i32)))
  (instance (instantiate $giver (with "r" (type $r))))
  (instance (instantiate $taker (with "r" (type $r)) (with "c" (component $same)))))
