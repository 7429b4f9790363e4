/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pool's hypervisor and the manager's host, made of libvirt. */
#pragma once

#include "plugin/host/berth-host.h"

G_BEGIN_DECLS

#define BERTH_TYPE_LIBVIRT (berth_libvirt_get_type ())
G_DECLARE_FINAL_TYPE (BerthLibvirt, berth_libvirt, BERTH, LIBVIRT, GObject)

/**
 * berth_libvirt_new:
 * @uri: (nullable): see berth_connection_new()
 * @virt_type: (nullable): see berth_connection_new()
 * @instance: whose domains these are
 * @name_prefix: of their names
 * @image_dir: where images.json is
 *
 * State lives on the default main context; pool's calls may come from its own thread.
 */
BerthLibvirt *berth_libvirt_new (const char *uri, const char *virt_type, const char *instance,
                                 const char *name_prefix, const char *image_dir);

G_END_DECLS
