/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How errors travel over D-Bus: berth's own by their table, a cancelled operation by a name of
 * berth's, too, so that it arrives as what it was. */
#include "plugin/bus/berth-bus-names.h"

#include "pool/berth-error-dbus.h"

/**
 * berth_bus_register_errors:
 *
 * Makes GDBus translate every error that berth hands out, in both directions. Idempotent.
 */
void
berth_bus_register_errors (void)
{
  berth_error_register_dbus ();
  g_dbus_error_register_error (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                               "org.berth.Berth1.Error.Cancelled");
}
