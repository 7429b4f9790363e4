/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a caller does next about an errno of its own machine. */
#pragma once

#include <gio/gio.h>

#include "pool/berth-error.h"

G_BEGIN_DECLS

/* BERTH_ERROR_INVALID: the path, or this one file, can't be had, and another can;
 * BERTH_ERROR_UNAVAILABLE: passes by itself; BERTH_ERROR_LOCAL: everything else. Any thread. */
BerthError berth_errno_get_code (int number);
/* Sets @error to @what and the errno's own words; keeps none of both. Any thread. */
void berth_errno_set (GError **error, int number, const char *what);
/* An error of GIO's instead: the same, told in its words */
void berth_errno_set_gio (GError **error, const GError *cause, const char *what);

G_END_DECLS
