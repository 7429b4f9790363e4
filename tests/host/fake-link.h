/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links of a host without VMs: the loopback of every one of its guests is this host's own. */
#pragma once

#include "plugin/host/berth-host.h"

G_BEGIN_DECLS

void fake_link (BerthHost *host, BerthVm *vm, guint port, const BerthLinkEnd *end, GTask *task);

G_END_DECLS
