/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What VMs that are none are connected to: whatever they may reach nobody in them asks for. */
#pragma once

#include "plugin/host/berth-host.h"

void fake_reach_init (BerthHostInterface *iface);
