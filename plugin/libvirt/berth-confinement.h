/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the host's AppArmor or SELinux lets libvirt's QEMU have snapshots. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *berth_confinement_dup_problem (const char *root, const char *snapshot_dir, char **out_remedy);
char *berth_confinement_dup_kind (const char *root);

G_END_DECLS
