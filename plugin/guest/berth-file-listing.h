/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The entries of a folder as a guest sends them; a pure function of its bytes. */
#pragma once

#include "plugin/model/berth-file-request.h"

G_BEGIN_DECLS

/* The bytes of a listing with so many entries, at most; of any version */
gsize berth_file_listing_max (guint count);
/* (transfer full) (nullable) (element-type BerthFileEntry): NULL where these bytes are no listing:
 * cut, more than @count_max, a name that no folder has, or one that is not behind the one before.
 * @after (nullable): the one before the first. @version: of the protocol that the guest speaks */
GPtrArray *berth_file_listing_parse (const guint8 *bytes, gsize size, guint32 version,
                                     guint count_max, const char *after);

G_END_DECLS
