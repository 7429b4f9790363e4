/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/base/berth-pipe.c */
#include "plugin/model/berth-exec.h"
