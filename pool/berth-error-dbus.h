/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The errors' names on D-Bus; no business of programs that use the library. */
#pragma once

#include "berth-error.h"

G_BEGIN_DECLS

void berth_error_register_dbus (void);
const char *berth_error_get_name (const GError *error);

G_END_DECLS
