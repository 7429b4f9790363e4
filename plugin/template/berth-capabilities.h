/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What instantiation needs to know of a libvirt, read from its capabilities. */
#pragma once

#include <glib.h>

#include "pool/berth-types.h"

G_BEGIN_DECLS

/* BerthDomainParams.dac_label, from virConnectGetCapabilities(); NULL where libvirt changes no
 * owners (qemu:///session) */
char *berth_capabilities_dup_dac_label (const char *capabilities, const char *domain_type);

/* what a snapshot made under KVM depends on */
char *berth_capabilities_dup_host_cpu (const char *capabilities);

/* the <cpu> that a hypervisor makes at most, as virConnectBaselineHypervisorCPU() takes it; NULL
 * where virConnectGetDomainCapabilities() tells none */
BERTH_AVAILABLE char *berth_capabilities_dup_host_model (const char *domain_capabilities);

/* BerthDomainParams.unwanted_features, from what virConnectBaselineHypervisorCPU() made of it */
BERTH_AVAILABLE char **berth_capabilities_dup_unwanted (const char *cpu, const char *domain_type);

G_END_DECLS
