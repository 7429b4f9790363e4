/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is the host short of memory? Then warm VMs go before anybody is refused. */
#pragma once

#include <glib.h>

#include "pool/berth-types.h"

G_BEGIN_DECLS

/**
 * BerthPressure:
 * @reserve_mb: memory that is to stay available to the host; MiB
 * @is_pressed: what was found last
 *
 * Begins below the reserve, or when 20 % of the last 10 s some task waited for memory (PSI); ends
 * at one and a half times the reserve and below 10 %, so that it does not flutter.
 */
typedef struct
{
  guint reserve_mb;
  gboolean is_pressed;
} BerthPressure;

/* @meminfo: of /proc/meminfo; @psi: (nullable): of /proc/pressure/memory, which not every kernel
 * has. What can't be read changes nothing. */
gboolean berth_pressure_update (BerthPressure *self, const char *meminfo, const char *psi);
/* The same, of this host. */
gboolean berth_pressure_look (BerthPressure *self);

G_END_DECLS
