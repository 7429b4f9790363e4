/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were pool/berth-vm.c */
#include "plugin/config/berth-config.h"
