/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a template travels: its <berth:template>. The domain around it is each host's own, so
 * that no registry says what QEMU gets of a host. */
#pragma once

#include <gio/gio.h>

#include "plugin/template/berth-xml.h"

G_BEGIN_DECLS

/* Whoever wrote the other one's remarks did not write this one: @remark stands in their place. */
void berth_build_element_set_remark (xmlDoc *doc, const char *remark);

/* (transfer full): the text of a template that becomes the file @path, if it may be one */
char *
berth_build_element_dup_checked (xmlDoc *doc, const char *path, const char *schema, GError **error);

/* (transfer full): of the template in the file @path, without its remarks */
char *berth_build_element_dup (const char *path, GError **error);

/* (transfer full): the template in the file @base with another element: @text, anybody's bytes,
 * whose name becomes @name and whose layers @layers. @path: of the new file; @remark: stands above
 * it
 */
char *berth_build_element_dup_template (const char *text, const char *base, const char *name,
                                        const char *const *layers, const char *remark,
                                        const char *path, const char *schema, GError **error);

G_END_DECLS
