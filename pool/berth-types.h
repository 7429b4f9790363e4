/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names of pool's types, so that its headers need not include each other. */
#pragma once

#include "berth-macros.h"

G_BEGIN_DECLS

typedef struct _BerthCapacity BerthCapacity;
typedef struct _BerthHypervisor BerthHypervisor;
typedef struct _BerthPool BerthPool;
typedef struct _BerthRequest BerthRequest;
typedef struct _BerthShape BerthShape;
typedef struct _BerthTenantPolicy BerthTenantPolicy;
typedef struct _BerthVm BerthVm;
typedef struct _BerthWarmTarget BerthWarmTarget;

G_END_DECLS
