;; SPDX-License-Identifier: Apache-2.0
;; A core module where a component is wanted.
(module
  (func (export "_start")))
