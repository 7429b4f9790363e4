/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads which domains of an administrator's berth counts, and as what. */
#include "berth-counted.h"

#include <string.h>

#include "berth-mark.h"
#include "berth-template.h"
#include "berth-xml.h"

#define COUNTED_PATH "domain" /* what errors call it; the caller knows its name */
#define NAME_MAX_BYTES 256u

void
berth_counted_free (BerthCounted *self)
{
  if (self == NULL)
    return;
  g_free (self->uuid);
  g_free (self->name);
  g_free (self->template_name);
  g_free (self);
}

/* (transfer full) (nullable): of the child @name of @root */
static char *
dup_text (const xmlNode *root, const char *name)
{
  const xmlNode *node = berth_xml_child (root, NULL, name);
  g_autoptr (xmlChar) text = node != NULL ? xmlNodeGetContent (node) : NULL;

  return text != NULL ? g_strstrip (g_strdup ((const char *)text)) : NULL;
}

/* 0: there is none */
static guint
read_number (const xmlNode *root, const char *name, guint64 divisor)
{
  g_autofree char *text = dup_text (root, name);
  guint64 number = 0;

  if (text == NULL || !g_ascii_string_to_unsigned (text, 10, 1, G_MAXINT64, &number, NULL))
    return 0;
  return (guint)MIN ((number + divisor - 1) / divisor, G_MAXINT);
}

/* (nullable): the element that says that it is to be counted */
static const xmlNode *
find_mark (const xmlNode *root)
{
  const xmlNode *metadata = berth_xml_child (root, NULL, "metadata");

  return metadata != NULL && berth_xml_child (metadata, BERTH_MARK_URI, "vm") == NULL
             ? berth_xml_child (metadata, BERTH_MARK_URI, "template")
             : NULL;
}

static gboolean
is_template_name (const char *name)
{
  return name != NULL && g_regex_match_simple ("^[a-z][a-z0-9-]{0,31}\\z", name, G_REGEX_RAW, 0);
}

/* libvirt writes memory in KiB, whatever it was given. */
BerthCounted *
berth_counted_parse (const char *xml, GError **error)
{
  g_autoptr (xmlDoc) doc = berth_xml_parse (xml, strlen (xml), COUNTED_PATH, error);
  const xmlNode *root = doc != NULL ? xmlDocGetRootElement (doc) : NULL;
  const xmlNode *mark = root != NULL ? find_mark (root) : NULL;
  g_autoptr (BerthCounted) self = NULL;

  if (mark == NULL)
    return NULL;
  self = g_new0 (BerthCounted, 1);
  self->uuid = dup_text (root, "uuid");
  self->name = dup_text (root, "name");
  self->template_name = berth_xml_dup_attribute (mark, "name");
  self->memory_mb = read_number (root, "memory", 1024);
  self->vcpus = read_number (root, "vcpu", 1);
  if (self->uuid != NULL && g_uuid_string_is_valid (self->uuid) && self->name != NULL
      && strlen (self->name) <= NAME_MAX_BYTES && self->memory_mb > 0 && self->vcpus > 0
      && is_template_name (self->template_name))
    return g_steal_pointer (&self);
  berth_xml_set_error (
      error, BERTH_TEMPLATE_ERROR_SCHEMA, mark,
      "berth's mark needs the name of a template, and the domain a uuid, memory and "
      "vcpu");
  return NULL;
}
