// SPDX-License-Identifier: Apache-2.0
// The option --link: INTERFACES[@NAME]=DRIVER[,SETTING=VALUE]...
//
//   wasi:keyvalue=sqlite                          all interfaces of the package that the driver has
//   wasi:keyvalue/store@cache=redis,host=::1      one interface, as the link named "cache"
//   wasi:keyvalue=redis,password=@db:password     a credential, by the name of a secret (cli/secret_option.h)
#pragma once

#include "host/links.h"

status link_option_add(host_links *l, slice text, err *e) WRIT_MUST_USE;
