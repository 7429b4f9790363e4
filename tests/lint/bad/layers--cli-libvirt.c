/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/cli/berth-verb-run.c */
#include <libvirt/libvirt.h>
