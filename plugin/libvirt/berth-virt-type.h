/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of libvirt's domain types guests get: "kvm", or "qemu" for emulation (TCG). */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

/**
 * berth_virt_type_choose:
 * @connection: where the guests will run
 * @out_problem: (out) (transfer full) (nullable): why a KVM that is offered is not used; one line
 *
 * libvirt offers KVM as soon as the host has the device. Whether QEMU's user may open it, and
 * whether it takes a host's CPU (a nested one may not), only a QEMU can tell: one is started for
 * it, paused, of no devices, about 0.2 s. Where libvirt offers no KVM, nothing is started. Blocks.
 *
 * Returns: "kvm" or "qemu"; a static string
 */
const char *berth_virt_type_choose (virConnectPtr connection, char **out_problem);

/**
 * berth_virt_type_dup_unwanted:
 * @connection: where the guests will run
 * @domain_type: "kvm" or "qemu"
 *
 * Asks what CPU the hypervisor offers, which libvirt has in its cache. Blocks for some 5 ms.
 *
 * Returns: (transfer full): BerthDomainParams.unwanted_features
 */
char **berth_virt_type_dup_unwanted (virConnectPtr connection, const char *domain_type);

G_END_DECLS
