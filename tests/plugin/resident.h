/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests that prove that memory stays bounded. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* KiB */
glong resident_kb (void);

G_END_DECLS
