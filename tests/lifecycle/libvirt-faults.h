/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways for the making of a VM to fail on a real host: each breaks one real thing on its way. */
#pragma once

#include "lifecycle-tests.h"

G_BEGIN_DECLS

typedef struct _LibvirtFaults LibvirtFaults;

/**
 * libvirt_faults_new:
 * @image_dir: whose images.json is copied, so that the copy can be broken
 * @schema: berth.rng
 * @templates: what the hypervisor under test was given; its template python is exchanged
 * @domain_prefix: the hypervisor's
 * @is_session: libvirtd is an ordinary user's
 *
 * Returns: (transfer full) (nullable): %NULL where there is no image
 */
LibvirtFaults *libvirt_faults_new (const char *image_dir, const char *schema, GHashTable *templates,
                                   const char *domain_prefix, gboolean is_session);

/* the folder whose images.json breaks */
const char *libvirt_faults_get_image_dir (LibvirtFaults *self);

/* Makes every start fail at @step; %NULL: at none. */
void libvirt_faults_inject (LibvirtFaults *self, const char *step);

/* for LifecycleBackend */
extern const LifecycleFault libvirt_faults[];

G_END_DECLS
