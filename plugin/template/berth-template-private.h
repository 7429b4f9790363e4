/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of a template share: what it says of itself, and the steps of its loading. */
#pragma once

#include "berth-template.h"
#include "berth-xml.h"

G_BEGIN_DECLS

#define BERTH_TEMPLATE_MAX_LAYERS 8
#define BERTH_TEMPLATE_MAX_ENV 32
#define BERTH_TEMPLATE_MAX_ARGS 128

/* What the element <berth:template> says. */
typedef struct
{
  char *name;
  char *language;
  guint memory_mb;
  guint vcpus;
  guint boot_timeout_s;
  gboolean is_fresh;
  GStrv layers;
  GStrv allow; /* NULL: it has no say in that, as the next two */
  GStrv deny;
  GStrv private;
  GStrv env;     /* NAME=VALUE */
  char *user;    /* UID:GID, or NULL */
  char *workdir; /* of the entry point; or NULL */
  GStrv entry;   /* its program and arguments; NULL: it has none */
} BerthTemplateInfo;

/* Plain data once made: no libxml2 object is shared between threads. */
struct _BerthTemplate
{
  gatomicrefcount refs;
  char *path;
  char *xml;  /* expanded and canonical: what an instance is parsed from */
  char *card; /* (nullable): an <interface> */
  char *digest;
  BerthTemplateInfo info;
  BerthReachWords reach; /* of info */
};

gboolean
berth_template_expand (xmlDoc *doc, const char *path, const char *shared_dir, GError **error);

xmlNode *berth_template_check_element (xmlDoc *doc, const char *schema_path, GError **error);
void berth_template_info_read (BerthTemplateInfo *info, const xmlNode *element);
void berth_template_info_clear (BerthTemplateInfo *info);

gboolean berth_template_check_domain (xmlDoc *doc, GError **error);
/* Out of the domain, where it has one. After berth_template_check_domain(). @out_card: (transfer
 * full) (nullable) */
gboolean berth_template_take_card (xmlDoc *doc, char **out_card, GError **error);

gboolean
berth_template_check_params (BerthTemplate *self, const BerthDomainParams *params, GError **error);

G_END_DECLS
