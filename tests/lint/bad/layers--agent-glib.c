/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were agent/agent-exec.c */
#include <glib.h>
