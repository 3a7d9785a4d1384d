;; SPDX-License-Identifier: Apache-2.0
;; The modules that tools put between a module and its imports (a table of functions that is filled last) may be left
;; out only where nobody can tell. Each component here behaves the same with and without them. Explainer.md "Core
;; Definitions": instances are made in order, and a start function runs when its instance is made.

;; As the tools write it, with an initializer.
(component
  (import "host" (instance $host (export "echo" (func (param "text" string) (result string)))))
  (core module $calls
    (type $t (func (param i32 i32 i32)))
    (table (export "$imports") 1 1 funcref)
    (func (export "0") (type $t) (local.get 0) (local.get 1) (local.get 2) (i32.const 0) (call_indirect (type $t))))
  (core instance $calls (instantiate $calls))
  (core module $main
    (import "host" "echo" (func $echo (param i32 i32 i32)))
    (memory (export "mem") 1)
    (data (i32.const 16) "hello")
    (global $ready (mut i32) (i32.const 0))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 256))
    (func (export "_initialize") (global.set $ready (i32.add (global.get $ready) (i32.const 1))))
    (func (export "run") (result i32)
      (if (i32.ne (global.get $ready) (i32.const 1)) (then unreachable))
      (call $echo (i32.const 16) (i32.const 5) (i32.const 8))
      (i32.const 8)))
  (alias core export $calls "0" (core func $late))
  (core instance $main (instantiate $main (with "host" (instance (export "echo" (func $late))))))
  (core func $echo (canon lower (func $host "echo") (memory (core memory $main "mem"))
    (realloc (core func $main "realloc"))))
  (core module $fill
    (import "" "0" (func $f (param i32 i32 i32)))
    (import "" "init" (func $init))
    (import "" "$imports" (table 1 1 funcref))
    (start $init)
    (elem (i32.const 0) func $f))
  (core instance (instantiate $fill (with "" (instance
    (export "0" (func $echo)) (export "init" (func $main "_initialize"))
    (export "$imports" (table $calls "$imports"))))))
  (func (export "run") (result string) (canon lift (core func $main "run") (memory (core memory $main "mem")))))
(assert_return (invoke "run") (str.const "hello"))
(assert_return (invoke "run") (str.const "hello"))

;; The main module runs code before the table is filled: that call must trap.
(assert_trap
  (component
    (import "host" (instance $host (export "return-three" (func (result u32)))))
    (core module $calls
      (type $t (func (result i32)))
      (table (export "$imports") 1 1 funcref)
      (func (export "0") (type $t) (i32.const 0) (call_indirect (type $t))))
    (core instance $calls (instantiate $calls))
    (core module $main
      (import "host" "three" (func $three (result i32)))
      (func $start (drop (call $three)))
      (start $start))
    (alias core export $calls "0" (core func $late))
    (core instance $main (instantiate $main (with "host" (instance (export "three" (func $late))))))
    (core func $three (canon lower (func $host "return-three")))
    (core module $fill
      (import "" "0" (func $f (result i32)))
      (import "" "$imports" (table 1 1 funcref))
      (elem (i32.const 0) func $f))
    (core instance (instantiate $fill (with "" (instance
      (export "0" (func $three)) (export "$imports" (table $calls "$imports")))))))
  "uninitialized element")

;; Swapped entries, a second user of the table, an entry that is never filled.
(component definition $odd
  (import "host" (instance $host (export "return-three" (func (result u32)))))
  (core module $calls
    (type $t (func (result i32)))
    (table (export "$imports") 3 3 funcref)
    (func (export "a") (type $t) (i32.const 1) (call_indirect (type $t)))
    (func (export "b") (type $t) (i32.const 0) (call_indirect (type $t)))
    (func (export "c") (type $t) (i32.const 2) (call_indirect (type $t))))
  (core instance $calls (instantiate $calls))
  (core module $main
    (import "" "a" (func $a (result i32)))
    (import "" "b" (func $b (result i32)))
    (import "" "c" (func $c (result i32)))
    (func (export "a") (result i32) (call $a))
    (func (export "b") (result i32) (call $b))
    (func (export "c") (result i32) (call $c)))
  (core instance $main (instantiate $main (with "" (instance
    (export "a" (func $calls "a")) (export "b" (func $calls "b")) (export "c" (func $calls "c"))))))
  (core func $three (canon lower (func $host "return-three")))
  (core module $late (func (export "nine") (result i32) (i32.const 9)))
  (core instance $late (instantiate $late))
  (core module $fill
    (import "" "0" (func $f (result i32)))
    (import "" "1" (func $g (result i32)))
    (import "" "$imports" (table 3 3 funcref))
    (elem (i32.const 0) func $f $g))
  (core instance (instantiate $fill (with "" (instance
    (export "0" (func $three)) (export "1" (func $late "nine")) (export "$imports" (table $calls "$imports"))))))
  (func (export "a") (result u32) (canon lift (core func $main "a")))
  (func (export "b") (result u32) (canon lift (core func $main "b")))
  (func (export "c") (result u32) (canon lift (core func $main "c"))))
(component instance $i $odd)
(assert_return (invoke "a") (u32.const 9))
(assert_return (invoke "b") (u32.const 3))
(assert_trap (invoke "c") "uninitialized element")

;; A function that looks like the others but does more.
(component
  (import "host" (instance $host (export "return-three" (func (result u32)))))
  (core module $calls
    (type $t (func (result i32)))
    (table (export "$imports") 1 1 funcref)
    (func (export "0") (type $t) (i32.add (i32.const 0) (call_indirect (type $t) (i32.const 0))) (i32.add (i32.const 1))))
  (core instance $calls (instantiate $calls))
  (core module $main
    (import "" "three" (func $three (result i32)))
    (func (export "run") (result i32) (call $three)))
  (core instance $main (instantiate $main (with "" (instance (export "three" (func $calls "0"))))))
  (core func $three (canon lower (func $host "return-three")))
  (core module $fill
    (import "" "0" (func $f (result i32)))
    (import "" "$imports" (table 1 1 funcref))
    (elem (i32.const 0) func $f))
  (core instance (instantiate $fill (with "" (instance
    (export "0" (func $three)) (export "$imports" (table $calls "$imports"))))))
  (func (export "run") (result u32) (canon lift (core func $main "run"))))
(assert_return (invoke "run") (u32.const 4))

;; The destructor of a resource is defined before the module that implements it.
(component
  (core module $calls
    (type $t (func (param i32)))
    (table (export "$imports") 1 1 funcref)
    (func (export "0") (type $t) (local.get 0) (i32.const 0) (call_indirect (type $t))))
  (core instance $calls (instantiate $calls))
  (type $r (resource (rep i32) (dtor (core func $calls "0"))))
  (core func $new (canon resource.new $r))
  (core func $drop (canon resource.drop $r))
  (core module $main
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (global $last (mut i32) (i32.const 0))
    (func (export "dtor") (param i32) (global.set $last (local.get 0)))
    (func (export "run") (result i32) (call $drop (call $new (i32.const 55))) (global.get $last)))
  (core instance $main (instantiate $main (with "" (instance (export "new" (func $new)) (export "drop" (func $drop))))))
  (core module $fill
    (import "" "0" (func $f (param i32)))
    (import "" "$imports" (table 1 1 funcref))
    (elem (i32.const 0) func $f))
  (core instance (instantiate $fill (with "" (instance
    (export "0" (func $main "dtor")) (export "$imports" (table $calls "$imports"))))))
  (func (export "run") (result u32) (canon lift (core func $main "run"))))
(assert_return (invoke "run") (u32.const 55))
