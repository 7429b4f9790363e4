/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends a source that was attached by hand: GLib has g_clear_handle_id() for ids, nothing for
 * these. */
#pragma once

#include <glib.h>

static inline void
berth_source_clear (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}
