/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The listening sockets of --publish, which are ours until berthd has them. */
#pragma once

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#include "plugin/cli/berth-cli-options.h"

G_BEGIN_DECLS

gboolean berth_cli_ports_are_asked (const BerthOptionValues *values);
GVariant *berth_cli_ports_add (const BerthOptionValues *values, GVariantDict *dict,
                               GUnixFDList *fds, GError **error);
void berth_cli_ports_tell (GVariant *ports);
void berth_cli_ports_unlink (GVariant *ports, gboolean are_own);

G_END_DECLS
