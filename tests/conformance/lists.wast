;; SPDX-License-Identifier: Apache-2.0
;; CanonicalABI.md "Loading" (load_list_from_range), "Storing" (store_list_into_range), "Lifting and Lowering Values".

(component definition $c
  (import "host" (instance $host (export "reverse" (func (param "bytes" (list u8)) (result (list u8))))))
  (core module $libc
    (memory (export "mem") 1)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $r i32)
      (local.set $r (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
                             (i32.sub (i32.const 0) (local.get $align))))
      (global.set $next (i32.add (local.get $r) (local.get $size)))
      (local.get $r)))
  (core instance $libc (instantiate $libc))
  (core func $reverse (canon lower (func $host "reverse") (memory (core memory $libc "mem"))
    (realloc (core func $libc "realloc"))))
  (core module $m
    (import "" "reverse" (func $reverse (param i32 i32 i32)))
    (import "" "mem" (memory 1))
    (func (export "pair") (param i32 i32) (result i32)
      (i32.store (i32.const 8) (local.get 0))
      (i32.store (i32.const 12) (local.get 1))
      (i32.const 8))
    (func (export "reverse") (param i32 i32) (result i32)
      (call $reverse (local.get 0) (local.get 1) (i32.const 8))
      (i32.const 8)))
  (core instance $i (instantiate $m (with "" (instance
    (export "reverse" (func $reverse)) (export "mem" (memory $libc "mem"))))))
  (type $r' (record (field "a" u8) (field "b" u32) (field "c" (option u16))))
  (export $r "r" (type $r'))
  (func (export "reverse") (param "l" (list u8)) (result (list u8)) (canon lift (core func $i "reverse")
    (memory (core memory $libc "mem")) (realloc (core func $libc "realloc"))))
  (func (export "raw-reverse") (param "ptr" u32) (param "len" u32) (result (list u8)) (canon lift (core func $i "reverse")
    (memory (core memory $libc "mem")) (realloc (core func $libc "realloc"))))
  (func (export "records") (param "l" (list $r)) (result (list $r)) (canon lift (core func $i "pair")
    (memory (core memory $libc "mem")) (realloc (core func $libc "realloc"))))
  (func (export "lists") (param "l" (list (list u16))) (result (list (list u16))) (canon lift (core func $i "pair")
    (memory (core memory $libc "mem")) (realloc (core func $libc "realloc"))))
  (func (export "raw-u64") (param "ptr" u32) (param "len" u32) (result (list u64)) (canon lift (core func $i "pair")
    (memory (core memory $libc "mem"))))
  (func (export "raw-strings") (param "ptr" u32) (param "len" u32) (result (list string)) (canon lift (core func $i "pair")
    (memory (core memory $libc "mem")))))
(component instance $a $c)
(assert_return (invoke "reverse" (list.const)) (list.const))
(assert_return (invoke "reverse" (list.const (u8.const 1) (u8.const 2) (u8.const 3)))
  (list.const (u8.const 3) (u8.const 2) (u8.const 1)))
(assert_return (invoke "records" (list.const
    (record.const (field "a" u8.const 1) (field "b" u32.const 2) (field "c" option.none))
    (record.const (field "a" u8.const 3) (field "b" u32.const 4) (field "c" option.some (u16.const 5)))))
  (list.const
    (record.const (field "a" u8.const 1) (field "b" u32.const 2) (field "c" option.none))
    (record.const (field "a" u8.const 3) (field "b" u32.const 4) (field "c" option.some (u16.const 5)))))
(assert_return (invoke "lists" (list.const (list.const (u16.const 7)) (list.const) (list.const (u16.const 8) (u16.const 9))))
  (list.const (list.const (u16.const 7)) (list.const) (list.const (u16.const 8) (u16.const 9))))
;; Nothing is read of an empty list, but its pointer is checked.
(assert_return (invoke "raw-u64" (u32.const 65536) (u32.const 0)) (list.const))
(assert_trap (invoke "raw-u64" (u32.const 65544) (u32.const 0)) "list content out-of-bounds")
(component instance $b $c)
(assert_trap (invoke "raw-u64" (u32.const 65532) (u32.const 0)) "unaligned pointer")
(component instance $d $c)
(assert_trap (invoke "raw-u64" (u32.const 0) (u32.const 8193)) "list content out-of-bounds")
;; 2^29 elements of 8 bytes are 2^32 bytes, which is 0 in 32 bits.
(component instance $e $c)
(assert_trap (invoke "raw-u64" (u32.const 0) (u32.const 0x20000000)) "list content out-of-bounds")
(component instance $f $c)
(assert_trap (invoke "raw-u64" (u32.const 0) (u32.const 0xffffffff)) "list content out-of-bounds")
(component instance $g $c)
(assert_trap (invoke "raw-strings" (u32.const 2) (u32.const 1)) "unaligned pointer")
(component instance $h $c)
(assert_trap (invoke "raw-reverse" (u32.const 65535) (u32.const 2)) "list content out-of-bounds")

;; Not in the specification: how much one call may pass. Each level of these lists holds its one element many times.
(component
  (component $inner
    (core module $m
      (memory (export "mem") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
      (func (export "take") (param i32 i32)))
    (core instance $i (instantiate $m))
    (func (export "take") (param "l" (list (list (list (list u8))))) (canon lift (core func $i "take")
      (memory (core memory $i "mem")) (realloc (core func $i "realloc")))))
  (instance $inner (instantiate $inner))
  (core module $libc (memory (export "mem") 1))
  (core instance $libc (instantiate $libc))
  (core func $take (canon lower (func $inner "take") (memory (core memory $libc "mem"))))
  (core module $m
    (import "" "mem" (memory 1))
    (import "" "take" (func $take (param i32 i32)))
    (func (export "run") (local $i i32)
      ;; 8192 times: pointer 0, length 8192
      (loop $l
        (i32.store (local.get $i) (i32.const 0))
        (i32.store offset=4 (local.get $i) (i32.const 8192))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 65536))))
      (call $take (i32.const 0) (i32.const 8192))))
  (core instance $i (instantiate $m (with "" (instance (export "mem" (memory $libc "mem")) (export "take" (func $take))))))
  (func (export "run") (canon lift (core func $i "run"))))
(assert_trap (invoke "run") "one call passes more than")
