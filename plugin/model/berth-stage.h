/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far a Run or a Create is. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * BerthStage:
 * @state: "waiting" for a place, "starting" its VM, or "running"
 * @position: of one that waits: 1 is next; else 0
 * @domain: (nullable): of one that starts, once it has a name
 */
typedef struct
{
  const char *state;
  guint32 position;
  const char *domain;
} BerthStage;

G_END_DECLS
