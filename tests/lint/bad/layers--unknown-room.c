/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/attic/berth-attic.c */
#include <gio/gio.h>
