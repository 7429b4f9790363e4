/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What instantiation needs to know of a libvirt, read from its capabilities. */
#pragma once

#include <glib.h>

#include "pool/berth-types.h"

G_BEGIN_DECLS

/* BerthDomainParams.dac_label, from virConnectGetCapabilities(); NULL where libvirt changes no
 * owners (qemu:///session) */
BERTH_AVAILABLE char *
berth_capabilities_dup_dac_label (const char *capabilities, const char *domain_type);

/* what a snapshot made under KVM depends on */
BERTH_AVAILABLE char *berth_capabilities_dup_host_cpu (const char *capabilities);

G_END_DECLS
