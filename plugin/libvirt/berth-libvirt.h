/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pool's hypervisor, made of libvirt. */
#pragma once

#include "berth-machine.h"
#include "pool/berth-hypervisor.h"

G_BEGIN_DECLS

#define BERTH_TYPE_LIBVIRT (berth_libvirt_get_type ())
G_DECLARE_FINAL_TYPE (BerthLibvirt, berth_libvirt, BERTH, LIBVIRT, GObject)

/* libvirt can be used (again), or not. In the main context. */
typedef void (*BerthLibvirtStateFunc) (gboolean is_up, gpointer user_data);

/**
 * berth_libvirt_new:
 * @uri: (nullable): see berth_link_new()
 * @instance: whose domains these are
 * @name_prefix: of their names
 * @image_dir: where images.json is
 * @templates: (element-type utf8 BerthTemplate): by name
 *
 * State lives on the default main context; pool's calls may come from its own thread.
 */
BerthLibvirt *berth_libvirt_new (const char *uri, const char *instance, const char *name_prefix,
                                 const char *image_dir, GHashTable *templates);
void berth_libvirt_set_state_func (BerthLibvirt *self, BerthLibvirtStateFunc func,
                                   gpointer user_data);

/* Connects, checks the images, ends the domains that an earlier life of this instance left. */
void berth_libvirt_open_async (BerthLibvirt *self, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
gboolean berth_libvirt_open_finish (BerthLibvirt *self, GAsyncResult *result, GError **error);
/* After pool has shut down. Blocks for libvirt calls under way. */
void berth_libvirt_close (BerthLibvirt *self);

BerthTemplate *berth_libvirt_get_template (BerthLibvirt *self, const char *name);
/* (nullable): borrowed; while @vm is up. Main context. */
BerthMachine *berth_libvirt_get_machine (BerthLibvirt *self, BerthVm *vm);
/* (nullable): borrowed; also while it starts or ends. Main context. */
const char *berth_libvirt_get_domain_name (BerthLibvirt *self, BerthVm *vm);
/* (transfer floating): a{sv}: uri, connected, version */
GVariant *berth_libvirt_get_status (BerthLibvirt *self);

G_END_DECLS
