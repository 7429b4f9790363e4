/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which elements come from another host: those of berth's own namespace below
 * <berth:template>, nothing that is included, nothing of the domain. The schema has the rest to
 * say.
 */
#include "plugin/build/berth-build-element.h"

#include <string.h>

#include "plugin/template/berth-template.h"
#include "pool/berth-error.h"

#define WHERE "the template in the registry"

/* (nullable): of @doc, as it stands in the file */
static xmlNode *
find_element (xmlDoc *doc)
{
  xmlNode *metadata = berth_xml_child (xmlDocGetRootElement (doc), NULL, "metadata");

  return metadata != NULL ? berth_xml_child (metadata, BERTH_MARK_URI, "template") : NULL;
}

/* (transfer full) (nullable) */
static xmlDoc *
read_doc (const char *path, GError **error)
{
  gsize size = 0;
  g_autofree char *data = berth_xml_read_file (path, &size, error);
  g_autoptr (xmlDoc) doc = data != NULL ? berth_xml_parse (data, size, path, error) : NULL;

  if (doc == NULL || find_element (doc) != NULL)
    return g_steal_pointer (&doc);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
               "%s: its <berth:template> comes by xi:include, and only one that stands in the file "
               "can be sent or replaced: put it into the file",
               path);
  return NULL;
}

/* What is neither an element nor text says nothing to a reader of templates. */
static void
remove_remarks (xmlNode *element)
{
  for (xmlNode *child = element->children; child != NULL;)
    {
      xmlNode *next = child->next;

      if (child->type == XML_COMMENT_NODE || child->type == XML_PI_NODE)
        {
          xmlUnlinkNode (child);
          xmlFreeNode (child);
        }
      else if (child->type == XML_ELEMENT_NODE)
        remove_remarks (child);
      child = next;
    }
}

static char *
dup_text (xmlDoc *doc)
{
  g_autoptr (xmlChar) text = NULL;
  int length = 0;

  xmlDocDumpMemoryEnc (doc, &text, &length, "UTF-8");
  return g_strndup ((const char *)text, (gsize)length);
}

char *
berth_build_element_dup (const char *path, GError **error)
{
  g_autoptr (xmlDoc) doc = read_doc (path, error);
  g_autoptr (xmlDoc) own = NULL;
  xmlNode *copy;

  if (doc == NULL)
    return NULL;
  own = xmlNewDoc ((const xmlChar *)"1.0");
  copy = xmlDocCopyNode (find_element (doc), own, 1);
  xmlDocSetRootElement (own, copy);
  xmlReconciliateNs (own, copy);
  remove_remarks (copy);
  return dup_text (own);
}

/* ---- of another host ---- */

static gboolean
is_own (const xmlNode *node)
{
  if (node->type != XML_ELEMENT_NODE)
    return berth_xml_is_blank (node);
  if (node->ns == NULL || strcmp ((const char *)node->ns->href, BERTH_MARK_URI) != 0)
    return FALSE;
  for (const xmlNode *child = node->children; child != NULL; child = child->next)
    if (!is_own (child))
      return FALSE;
  return TRUE;
}

static void
set_layers (xmlNode *element, const char *const *layers)
{
  for (xmlNode *child = element->children; child != NULL;)
    {
      xmlNode *next = child->next;

      if (berth_xml_is (child, BERTH_MARK_URI, "layer"))
        {
          xmlUnlinkNode (child);
          xmlFreeNode (child);
        }
      child = next;
    }
  for (guint i = 0; layers[i] != NULL; i++)
    {
      xmlNode *layer = xmlNewDocNode (element->doc, element->ns, (const xmlChar *)"layer", NULL);

      berth_xml_set (layer, "name", layers[i]);
      xmlAddChild (element, layer);
    }
}

/* (transfer full) (nullable): @text as one of @doc's nodes */
static xmlNode *
take_element (const char *text, xmlDoc *doc, GError **error)
{
  g_autoptr (xmlDoc) own = berth_xml_parse (text, strlen (text), WHERE, error);
  xmlNode *root = own != NULL ? xmlDocGetRootElement (own) : NULL;

  if (root == NULL)
    return NULL;
  remove_remarks (root);
  if (berth_xml_is (root, BERTH_MARK_URI, "template") && is_own (root))
    return xmlDocCopyNode (root, doc, 1);
  g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                       WHERE " is more than a <berth:template>, and nothing else is taken");
  return NULL;
}

void
berth_build_element_set_remark (xmlDoc *doc, const char *remark)
{
  xmlNode *root = xmlDocGetRootElement (doc);

  for (xmlNode *node = doc->children; node != root;)
    {
      xmlNode *next = node->next;

      if (node->type == XML_COMMENT_NODE)
        {
          xmlUnlinkNode (node);
          xmlFreeNode (node);
        }
      node = next;
    }
  xmlAddPrevSibling (root, xmlNewDocComment (doc, (const xmlChar *)remark));
}

char *
berth_build_element_dup_checked (xmlDoc *doc, const char *path, const char *schema, GError **error)
{
  g_autofree char *text = dup_text (doc);
  g_autoptr (BerthTemplate) checked
      = berth_template_load_data (text, strlen (text), path, schema, error);

  return checked != NULL ? g_steal_pointer (&text) : NULL;
}

char *
berth_build_element_dup_template (const char *text, const char *base, const char *name,
                                  const char *const *layers, const char *remark, const char *path,
                                  const char *schema, GError **error)
{
  g_autoptr (xmlDoc) doc = read_doc (base, error);
  xmlNode *element = doc != NULL ? take_element (text, doc, error) : NULL;
  xmlNode *old;

  if (element == NULL)
    return NULL;
  old = xmlReplaceNode (find_element (doc), element);
  xmlFreeNode (old);
  xmlReconciliateNs (doc, element);
  berth_xml_set (element, "name", name);
  set_layers (element, layers);
  berth_build_element_set_remark (doc, remark);
  return berth_build_element_dup_checked (doc, path, schema, error);
}
