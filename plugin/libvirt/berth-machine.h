/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One VM as libvirt has it: its domain, its agent, the steps of its start and its end. */
#pragma once

#include "berth-agent.h"
#include "berth-images.h"
#include "berth-link.h"
#include "berth-template.h"
#include "pool/berth-vm.h"

G_BEGIN_DECLS

#define BERTH_TYPE_MACHINE (berth_machine_get_type ())
G_DECLARE_FINAL_TYPE (BerthMachine, berth_machine, BERTH, MACHINE, GObject)

/* @name: of the domain; @instance: for its mark. Main context, as are all calls. */
BerthMachine *berth_machine_new (BerthVm *vm, BerthTemplate *template, BerthLink *link,
                                 const char *instance, const char *name);

/* Defines and starts the domain, waits for its agent, gives the guest its identity. Fails with
 * G_IO_ERROR_EXISTS when a domain of this name is there already and nothing was done. Whatever a
 * failure leaves is cleared away by berth_machine_end_async(). */
void berth_machine_start_async (BerthMachine *self, BerthImages *images, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_machine_start_finish (BerthMachine *self, GAsyncResult *result, GError **error);

/* Ends the domain, whatever state it is in. Not while a start is under way. */
void berth_machine_end_async (BerthMachine *self, GAsyncReadyCallback callback,
                              gpointer user_data);
gboolean berth_machine_end_finish (BerthMachine *self, GAsyncResult *result, GError **error);

BerthVm *berth_machine_get_vm (BerthMachine *self);
BerthTemplate *berth_machine_get_template (BerthMachine *self);
const char *berth_machine_get_name (BerthMachine *self);
const char *berth_machine_get_uuid (BerthMachine *self);
/* (nullable): while it is up */
BerthAgent *berth_machine_get_agent (BerthMachine *self);
/* (transfer full) (nullable): the last @lines lines of its console, printable */
char *berth_machine_dup_console (BerthMachine *self, guint lines);

G_END_DECLS
