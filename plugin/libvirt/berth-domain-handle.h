/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain as libvirt's library has it, kept from one call to the next. */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

/**
 * BerthDomainHandle:
 * @kept: (nullable): a virDomainPtr (owned); atomic
 *
 * Each look-up of a domain is a round trip that its caller waits for; this one is looked up once.
 * Of another connection than the call's (libvirtd was restarted) it is looked up again. Any thread;
 * all zeros: not looked up yet.
 */
typedef struct
{
  gpointer kept;
} BerthDomainHandle;

/* (transfer full) (nullable): for this call alone; another one at the same time, or of another
 * connection, looks it up itself. @self: (nullable) */
virDomainPtr berth_domain_handle_take (BerthDomainHandle *self, virConnectPtr connection);
/* Takes @domain over, for the next call. @self: (nullable) */
void berth_domain_handle_keep (BerthDomainHandle *self, virDomainPtr domain);
/* Looks it up, so that the next call need not. */
void
berth_domain_handle_prepare (BerthDomainHandle *self, virConnectPtr connection, const char *uuid);
void berth_domain_handle_clear (BerthDomainHandle *self);

G_END_DECLS
