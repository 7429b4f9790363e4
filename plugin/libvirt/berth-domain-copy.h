/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a domain has changed of the snapshot that it is a clone of, while it stands still. */
#pragma once

#include <libvirt/libvirt.h>

#include "plugin/snapshot/berth-difference.h"

G_BEGIN_DECLS

/* Suspends a domain, writes the difference of it to @out and lets it go on, whatever comes of it;
 * what runs in it has to be frozen before, or a copy would go on where it stopped. @stays: where
 * there is a copy it stands still, until berth_domain_abandon_copy() or its end.
 * @out_stands_still: it could not be let go on, and berth_domain_abandon_copy() is to be tried
 * until it can. Blocking. */
gboolean
berth_domain_copy (virConnectPtr connection, const char *uuid, const BerthDifferenceBase *base,
                   int out, gboolean stays, gboolean *out_stands_still,
                   BerthDifferenceStats *out_stats, GError **error);

/* Lets a domain go on whose copy was begun, and not ended: by a berthd that has died since, or
 * while libvirt was away. Harmless where it runs. Blocking. */
gboolean berth_domain_abandon_copy (virConnectPtr connection, const char *uuid, GError **error);

G_END_DECLS
