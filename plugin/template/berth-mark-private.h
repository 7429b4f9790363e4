/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mark as a node: what instantiation puts into a domain's metadata. */
#pragma once

#include "berth-mark.h"
#include "berth-xml.h"

G_BEGIN_DECLS

xmlNode *berth_mark_to_node (const BerthMark *self, xmlDoc *doc);

G_END_DECLS
