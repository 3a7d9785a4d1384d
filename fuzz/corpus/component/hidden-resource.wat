;; SPDX-License-Identifier: Apache-2.0
;; An export whose ascribed type hides which resource it is, and instances made of such components.
(component
  (component $c
    (type $r (resource (rep i32)))
    (instance $i (export "r" (type $r)))
    (export "i" (instance $i) (instance (export "r" (type (sub resource)))))
    (export "s" (type $r) (type (sub resource))))
  (instance $a (instantiate $c))
  (instance $b (instantiate $c))
  (alias export $a "i" (instance $ai))
  (alias export $ai "r" (type $r))
  (core func (canon resource.drop $r))
  (export "b" (instance $b)))
