/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host is told once, and keeps. */
#pragma once

#include "plugin/host/berth-host.h"

G_BEGIN_DECLS

void fake_watch_init (BerthHostInterface *iface);

G_END_DECLS
