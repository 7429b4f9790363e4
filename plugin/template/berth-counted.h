/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain of an administrator's that berth counts, because it carries a template's mark. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * BerthCounted:
 * @uuid: of the domain
 * @name: of it; any text
 * @template_name: that its mark names
 * @memory_mb: of its guest
 * @vcpus: of its guest
 *
 * What admission has to know of it. The mark is `<berth:template name='python'/>` in the domain's
 * metadata; one that has berth's own mark, too, is berth's, and not this.
 */
typedef struct
{
  char *uuid;
  char *name;
  char *template_name;
  guint memory_mb;
  guint vcpus;
} BerthCounted;

void berth_counted_free (BerthCounted *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthCounted, berth_counted_free)

/* From a domain's XML. NULL and *@error unset: it does not carry the mark. NULL and *@error set
 * (BERTH_TEMPLATE_ERROR): it can't be read. */
BerthCounted *berth_counted_parse (const char *xml, GError **error);

G_END_DECLS
