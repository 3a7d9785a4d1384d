;; SPDX-License-Identifier: Apache-2.0
;; Explainer.md "Instance Definitions", "Import and Export Definitions": what an instance is given must have the type
;; that it declares. The interface "host" is described in tools/wast/host.c.

(component $source
  (core module $m
    (memory (export "mem") 1)
    (global $next (mut i32) (i32.const 64))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8)))))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "same") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16))
    (func (export "fail") unreachable))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
  (func (export "same") (param "s" string) (result string) (canon lift (core func $i "same")
    (memory (core memory $i "mem")) (realloc (core func $i "realloc"))))
  (func (export "fail") (canon lift (core func $i "fail"))))

;; An instance that an earlier command named can be imported.
(component $user
  (import "source" (instance $s
    (export "add" (func (param "a" u32) (param "b" u32) (result u32)))
    (export "same" (func (param "s" string) (result string)))))
  (core module $libc
    (memory (export "mem") 1)
    (data (i32.const 8) "h\00\f6\00")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 256)))
  (core instance $libc (instantiate $libc))
  (core func $add (canon lower (func $s "add")))
  (core func $same (canon lower (func $s "same") (memory (core memory $libc "mem"))
    (realloc (core func $libc "realloc")) string-encoding=utf16))
  (core module $m
    (import "" "mem" (memory 1))
    (import "" "add" (func $add (param i32 i32) (result i32)))
    (import "" "same" (func $same (param i32 i32 i32)))
    (func (export "sum") (result i32) (call $add (i32.const 20) (i32.const 22)))
    (func (export "text") (result i32)
      (call $same (i32.const 8) (i32.const 2) (i32.const 32))
      (i32.load (i32.load (i32.const 32)))))
  (core instance $i (instantiate $m (with "" (instance
    (export "mem" (memory $libc "mem")) (export "add" (func $add)) (export "same" (func $same))))))
  (func (export "sum") (result u32) (canon lift (core func $i "sum")))
  (func (export "text") (result u32) (canon lift (core func $i "text"))))
(assert_return (invoke "sum") (u32.const 42))
(assert_return (invoke "text") (u32.const 0x00f60068))
(assert_return (invoke $source "add" (u32.const 1) (u32.const 2)) (u32.const 3))

(assert_unlinkable
  (component (import "nobody" (instance (export "f" (func)))))
  "no earlier instance")
(assert_unlinkable
  (component (import "host" (instance (export "no-such-function" (func)))))
  "has no function")
(assert_unlinkable
  (component (import "host" (instance (export "return-three" (func (result u64))))))
  "return-three")
(assert_unlinkable
  (component (import "host" (instance (export "return-three" (func)))))
  "return-three")
(assert_unlinkable
  (component (import "host" (instance (export "echo" (func (param "text" (list u8)) (result string))))))
  "echo")
(assert_unlinkable
  (component (import "host" (instance (export "swap" (func (param "pair" (tuple u32 string u32)) (result (tuple string u32)))))))
  "swap")
(assert_unlinkable
  (component (import "host" (instance (export "no-such-resource" (type (sub resource))))))
  "no-such-resource")
;; A resource of the component's own making is not the host's.
(assert_unlinkable
  (component
    (import "source" (instance $s (export "r" (type (sub resource)))))
    (alias export $s "r" (type $r))
    (import "host" (instance (export "[method]resource1.get" (func (param "self" (borrow $r)) (result u32))))))
  "r")

;; Core modules by themselves.
(module $core (func (export "seven") (result i32) (i32.const 7)) (memory (export "m") 1))
(register "core" $core)
(assert_return (invoke "seven") (i32.const 7))
(module (import "core" "seven" (func $f (result i32))) (import "core" "m" (memory 1))
  (func (export "eight") (result i32) (i32.add (call $f) (i32.const 1)))
  (func (export "trap") (i32.store (i32.const 65536) (i32.const 0))))
(assert_return (invoke "eight") (i32.const 8))
(assert_trap (invoke "trap") "memory")

;; A start function that traps.
(assert_trap
  (component (core module $m (func $f unreachable) (start $f)) (core instance (instantiate $m)))
  "unreachable")
