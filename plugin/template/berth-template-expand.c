/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XInclude for templates: decides which files a template may bring in, and refuses all others.
 *
 * libxml2's own XInclude opens what a document names through loaders that are set for the whole
 * process. This one reads each file itself, once, after its real path was found to lie below an
 * allowed folder, and supports what templates need: href, and xpointer='xpointer(XPATH)'. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "berth-template-private.h"

#define MAX_DEPTH 8
#define MAX_INCLUDES 64
#define MAX_TOTAL_BYTES (4 * BERTH_XML_MAX_BYTES)

typedef struct
{
  const char *shared_dir;
  GPtrArray *roots; /* char *, real paths of the folders below which files may lie */
  guint n_includes;
  gsize n_bytes;
} Expander;

static gboolean
expand_doc (Expander *self, xmlDoc *doc, const char *path, guint depth, GError **error);

static void
include_error (GError **error, const xmlNode *include, const char *message)
{
  g_autofree char *href = berth_xml_dup_attribute (include, "href");

  berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_PARSE, include, "include of '%s': %s",
                       href != NULL ? href : "", message);
}

static char *
real_path (const char *path)
{
  char buffer[PATH_MAX];

  return g_strdup (realpath (path, buffer));
}

static gboolean
is_below (const char *path, const char *root)
{
  gsize length = strlen (root);

  return g_str_has_prefix (path, root) && path[length] == '/';
}

static gboolean
is_allowed (Expander *self, const char *path)
{
  for (guint i = 0; i < self->roots->len; i++)
    {
      if (is_below (path, g_ptr_array_index (self->roots, i)))
        return TRUE;
    }

  return FALSE;
}

/* (transfer full): the real path of the file that @include names */
static char *
find_file (Expander *self, const xmlNode *include, const char *including, GError **error)
{
  g_autofree char *href = berth_xml_dup_attribute (include, "href");
  g_autofree char *dir = g_path_get_dirname (including);
  g_autofree char *near = NULL;
  g_autofree char *shared = NULL;
  g_autofree char *path = NULL;

  if (href == NULL || *href == '\0')
    {
      include_error (error, include, "href must name a file");
      return NULL;
    }
  if (g_uri_peek_scheme (href) != NULL)
    {
      include_error (error, include, "must be a file's name, not an address");
      return NULL;
    }

  near = g_build_filename (g_path_is_absolute (href) ? "/" : dir, href, NULL);
  shared = g_build_filename (g_path_is_absolute (href) ? "/" : self->shared_dir, href, NULL);
  path = real_path (near);
  if (path == NULL)
    path = real_path (shared);
  if (path == NULL)
    {
      include_error (error, include, "no such file");
      return NULL;
    }
  if (!is_allowed (self, path))
    {
      g_autofree char *allowed = NULL;
      g_autofree char *message = NULL;

      g_ptr_array_add (self->roots, NULL);
      allowed = g_strjoinv (" and ", (char **)self->roots->pdata);
      g_ptr_array_remove_index (self->roots, self->roots->len - 1);
      message = g_strdup_printf ("lies outside the allowed folders, %s", allowed);
      include_error (error, include, message);
      return NULL;
    }

  return g_steal_pointer (&path);
}

/* (transfer full): the included document, with its own includes expanded */
static xmlDoc *
load_included (Expander *self, const xmlNode *include, const char *including, guint depth,
               GError **error)
{
  g_autofree char *path = NULL;
  g_autofree char *data = NULL;
  g_autoptr (xmlDoc) doc = NULL;
  gsize length = 0;

  if (depth >= MAX_DEPTH || ++self->n_includes > MAX_INCLUDES)
    {
      include_error (error, include, "too many includes; does a file include itself?");
      return NULL;
    }

  path = find_file (self, include, including, error);
  data = path != NULL ? berth_xml_read_file (path, &length, error) : NULL;
  if (data == NULL)
    return NULL;

  self->n_bytes += length;
  if (self->n_bytes > MAX_TOTAL_BYTES)
    {
      include_error (error, include, "the included files are too large, all in all");
      return NULL;
    }

  doc = berth_xml_parse (data, length, path, error);
  if (doc == NULL || !expand_doc (self, doc, path, depth + 1, error))
    return NULL;

  return g_steal_pointer (&doc);
}

/* gives @copy's elements the files of @original's; the two have the same shape */
static void
copy_files (xmlNode *copy, const xmlNode *original)
{
  const xmlNode *from = original->children;

  copy->_private = original->_private;
  for (xmlNode *to = copy->children; to != NULL && from != NULL; to = to->next, from = from->next)
    {
      if (to->type == XML_ELEMENT_NODE)
        copy_files (to, from);
    }
}

static void
insert_before (xmlNode *include, const xmlNode *node)
{
  xmlNode *copy = xmlDocCopyNode ((xmlNode *)node, include->doc, 1);

  copy_files (copy, node);
  xmlAddPrevSibling (include, copy);
}

/* (transfer full): the XPath of xpointer='xpointer(XPATH)', the root element without it */
static char *
dup_selection (const xmlNode *include, GError **error)
{
  g_autofree char *xpointer = berth_xml_dup_attribute (include, "xpointer");

  if (xpointer == NULL)
    return g_strdup ("/*");
  if (!g_str_has_prefix (xpointer, "xpointer(") || !g_str_has_suffix (xpointer, ")"))
    {
      include_error (error, include, "xpointer must be of the form xpointer(XPATH)");
      return NULL;
    }

  return g_strndup (xpointer + strlen ("xpointer("), strlen (xpointer) - strlen ("xpointer()"));
}

static gboolean
replace_include (xmlNode *include, xmlDoc *included, GError **error)
{
  g_autofree char *selection = dup_selection (include, error);
  g_autoptr (xmlXPathObject) found = NULL;

  if (selection == NULL)
    return FALSE;

  found = berth_xml_find (included, selection);
  if (found == NULL || found->nodesetval->nodeNr == 0)
    {
      include_error (error, include, "xpointer finds nothing there");
      return FALSE;
    }

  for (int i = 0; i < found->nodesetval->nodeNr; i++)
    {
      const xmlNode *node = found->nodesetval->nodeTab[i];

      if (node->type != XML_ELEMENT_NODE)
        {
          include_error (error, include, "xpointer must find elements only");
          return FALSE;
        }
      insert_before (include, node);
    }

  xmlUnlinkNode (include);
  xmlFreeNode (include);
  return TRUE;
}

static gboolean
check_include (const xmlNode *include, GError **error)
{
  g_autofree char *parse = berth_xml_dup_attribute (include, "parse");

  if (!berth_xml_is (include, BERTH_XML_XINCLUDE_URI, "include")
      || (parse != NULL && strcmp (parse, "xml") != 0) || include->children != NULL
      || include->parent->type != XML_ELEMENT_NODE)
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_PARSE, include,
                           "of XInclude only <xi:include href='FILE' xpointer='xpointer(XPATH)'/>, "
                           "empty and inside the root element, is allowed");
      return FALSE;
    }

  return TRUE;
}

static gboolean
expand_doc (Expander *self, xmlDoc *doc, const char *path, guint depth, GError **error)
{
  g_autoptr (xmlXPathObject) found = berth_xml_find (doc, "//xi:*");

  for (int i = 0; found != NULL && i < found->nodesetval->nodeNr; i++)
    {
      xmlNode *include = g_steal_pointer (&found->nodesetval->nodeTab[i]); /* it will be freed */
      g_autoptr (xmlDoc) included = NULL;

      if (!check_include (include, error))
        return FALSE;
      included = load_included (self, include, path, depth, error);
      if (included == NULL || !replace_include (include, included, error))
        return FALSE;
    }

  return TRUE;
}

/* removes comments, and white space between elements: nothing of it has a meaning */
static void
strip (xmlNode *parent)
{
  gboolean has_elements = xmlFirstElementChild (parent) != NULL;
  xmlNode *next = NULL;

  for (xmlNode *node = parent->children; node != NULL; node = next)
    {
      next = node->next;
      if (node->type == XML_ELEMENT_NODE)
        {
          strip (node);
        }
      else if (berth_xml_is_blank (node) && (has_elements || node->type != XML_TEXT_NODE))
        {
          xmlUnlinkNode (node);
          xmlFreeNode (node);
        }
    }
}

/* Brings in what @doc includes, and leaves elements and text only. */
gboolean
berth_template_expand (xmlDoc *doc, const char *path, const char *shared_dir, GError **error)
{
  g_autofree char *dir = g_path_get_dirname (path);
  g_autoptr (GPtrArray) roots = g_ptr_array_new_with_free_func (g_free);
  Expander self = { .shared_dir = shared_dir, .roots = roots };
  char *own_root = real_path (dir);
  char *shared_root = real_path (shared_dir);

  if (own_root != NULL)
    g_ptr_array_add (roots, own_root);
  if (shared_root != NULL)
    g_ptr_array_add (roots, shared_root);
  if (!expand_doc (&self, doc, path, 0, error))
    return FALSE;

  strip (xmlDocGetRootElement (doc));
  return TRUE;
}
