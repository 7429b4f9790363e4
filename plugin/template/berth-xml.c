/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lint: caller-fd: regular files, of the administrator's */
/* The one way in which berth reads XML, and small steps through a document's tree. */
#include "berth-xml.h"

#include <errno.h>
#include <fcntl.h>
#include <libxml/c14n.h>
#include <libxml/xmlschemastypes.h>
#include <libxml/xpathInternals.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "berth-mark.h"
#include "berth-template.h"

#define XPATH_MAX_OPERATIONS                                                                       \
  10000000 /* about a second; far above what any expression here needs                             \
            */

/**
 * berth_xml_init:
 *
 * Readies libxml2 for use from any thread: its own start, and its schema types, which it makes
 * without a lock when first needed. Idempotent.
 */
void
berth_xml_init (void)
{
  static gsize done = 0;

  if (!g_once_init_enter (&done))
    return;

  xmlInitParser ();
  xmlSchemaInitTypes ();
  xmlRelaxNGInitTypes ();
  g_once_init_leave (&done, 1);
}

/* up to BERTH_XML_MAX_BYTES + 1, by which a file that is too long is known; -1 with errno */
static gssize
read_regular (int fd, char *buffer)
{
  struct stat status = { 0 };
  gssize total = 0;
  gssize n = 0;

  if (fstat (fd, &status) < 0)
    return -1;
  if (!S_ISREG (status.st_mode))
    {
      errno = S_ISDIR (status.st_mode) ? EISDIR : EINVAL;
      return -1;
    }

  do
    {
      n = TEMP_FAILURE_RETRY (read (fd, buffer + total, BERTH_XML_MAX_BYTES + 1 - total));
      total += n;
    }
  while (n > 0 && total <= BERTH_XML_MAX_BYTES);

  return n < 0 ? -1 : total;
}

/**
 * berth_xml_read_file:
 * @path: a regular file; of one that is longer than %BERTH_XML_MAX_BYTES only the beginning is
 *   read, which berth_xml_parse() then refuses
 *
 * Returns: (transfer full): its bytes; %NULL with %BERTH_TEMPLATE_ERROR_NOT_FOUND or
 *   %BERTH_TEMPLATE_ERROR_PARSE
 */
char *
berth_xml_read_file (const char *path, gsize *out_length, GError **error)
{
  g_autofree char *buffer = g_malloc (BERTH_XML_MAX_BYTES + 1);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  gssize length = fd >= 0 ? read_regular (fd, buffer) : -1;
  int saved_errno = errno;

  if (fd >= 0)
    close (fd);
  if (length < 0)
    {
      g_set_error (error, BERTH_TEMPLATE_ERROR,
                   saved_errno == ENOENT ? BERTH_TEMPLATE_ERROR_NOT_FOUND
                                         : BERTH_TEMPLATE_ERROR_PARSE,
                   "%s: can't be read: %s", path, g_strerror (saved_errno));
      return NULL;
    }

  *out_length = (gsize)length;
  return g_realloc (g_steal_pointer (&buffer), (gsize)length + 1);
}

static void
ignore_error_cb (void *user_data, xmlError *error)
{
}

typedef struct
{
  xmlStructuredErrorFunc func;
  void *data;
} Quiet;

/* Errors that libxml2 ties to no context it would write to stderr; this holds them back, in this
 * thread alone, until it goes out of scope. */
static Quiet
quiet_begin (void)
{
  Quiet self = { NULL, NULL };

  berth_xml_init ();
  self.func = xmlStructuredError;
  self.data = xmlStructuredErrorContext;
  xmlSetStructuredErrorFunc (NULL, ignore_error_cb);
  return self;
}

static void
quiet_end (Quiet *self)
{
  xmlSetStructuredErrorFunc (self->data, self->func);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Quiet, quiet_end)

typedef struct
{
  int dtd_line;
  int line; /* of the first error; the ones after it are mostly of its making */
  char *message;
} Trouble;

static void
trouble_clear (Trouble *self)
{
  g_free (self->message);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Trouble, trouble_clear)

/* A DTD is refused where it begins, before any entity in it is declared. */
static void
refuse_dtd_cb (void *user_data, const xmlChar *name, const xmlChar *external_id,
               const xmlChar *system_id)
{
  xmlParserCtxt *context = user_data;
  Trouble *trouble = context->_private;

  trouble->dtd_line = MAX (xmlSAX2GetLineNumber (context), 1);
  xmlStopParser (context);
}

static void
keep_first_error_cb (void *user_data, xmlError *error)
{
  xmlParserCtxt *context = user_data;
  Trouble *trouble = context->_private;

  if (trouble->message != NULL || error->message == NULL)
    return;

  trouble->line = error->line;
  trouble->message = g_strstrip (g_utf8_make_valid (error->message, -1));
}

static void
set_parse_error (GError **error, const Trouble *trouble, const char *path)
{
  if (trouble->dtd_line > 0)
    g_set_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_PARSE,
                 "%s:%d: a document type (<!DOCTYPE) is not allowed, nor are entities", path,
                 trouble->dtd_line);
  else
    g_set_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_PARSE, "%s:%d: not XML: %s",
                 path, MAX (trouble->line, 1),
                 trouble->message != NULL ? trouble->message : "no content");
}

/**
 * berth_xml_parse:
 * @data: (array length=length): a whole document
 * @path: named in errors
 *
 * Reads a document of at most %BERTH_XML_MAX_BYTES that has no DTD. Nothing else is opened: no
 * entity, no include, no network.
 *
 * Returns: (transfer full): %NULL with %BERTH_TEMPLATE_ERROR_PARSE
 */
xmlDoc *
berth_xml_parse (const char *data, gsize length, const char *path, GError **error)
{
  const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA
                      | XML_PARSE_BIG_LINES | XML_PARSE_COMPACT;
  g_autoptr (xmlParserCtxt) context = NULL;
  g_autoptr (xmlDoc) doc = NULL;
  g_auto (Trouble) trouble = { 0 };
  g_auto (Quiet) quiet G_GNUC_UNUSED = quiet_begin ();

  if (length > BERTH_XML_MAX_BYTES)
    {
      g_set_error (error, BERTH_TEMPLATE_ERROR, BERTH_TEMPLATE_ERROR_PARSE,
                   "%s:1: has %" G_GSIZE_FORMAT " bytes; at most %d are allowed", path, length,
                   BERTH_XML_MAX_BYTES);
      return NULL;
    }

  context = xmlNewParserCtxt ();
  context->_private = &trouble;
  context->sax->internalSubset = refuse_dtd_cb;
  context->sax->serror = keep_first_error_cb;
  doc = xmlCtxtReadMemory (context, data, (int)length, NULL, NULL, options);
  if (doc == NULL || trouble.dtd_line > 0 || !context->wellFormed
      || xmlDocGetRootElement (doc) == NULL)
    {
      set_parse_error (error, &trouble, path);
      return NULL;
    }

  berth_xml_set_file (doc, path);
  return g_steal_pointer (&doc);
}

/**
 * berth_xml_is:
 * @uri: (nullable): %NULL for an element in no namespace
 *
 * Returns: whether @node is the element @name of namespace @uri
 */
gboolean
berth_xml_is (const xmlNode *node, const char *uri, const char *name)
{
  if (node->type != XML_ELEMENT_NODE || strcmp ((const char *)node->name, name) != 0)
    return FALSE;

  return g_strcmp0 (node->ns != NULL ? (const char *)node->ns->href : NULL, uri) == 0;
}

static xmlNode *
first_of (xmlNode *node, const char *uri, const char *name)
{
  while (node != NULL && !berth_xml_is (node, uri, name))
    node = node->next;

  return node;
}

/* The first child element @name of namespace @uri; NULL where there is none. */
xmlNode *
berth_xml_child (const xmlNode *parent, const char *uri, const char *name)
{
  return first_of (parent->children, uri, name);
}

/* The next element after @node with the same parent, as berth_xml_child(). */
xmlNode *
berth_xml_next (const xmlNode *node, const char *uri, const char *name)
{
  return first_of (node->next, uri, name);
}

/* (transfer full) (nullable): the value of an attribute in no namespace */
char *
berth_xml_dup_attribute (const xmlNode *node, const char *name)
{
  g_autoptr (xmlChar) value = xmlGetNoNsProp ((xmlNode *)node, (const xmlChar *)name);

  return g_strdup ((const char *)value);
}

/* Whether @node carries nothing: white space, a comment, a processing instruction. */
gboolean
berth_xml_is_blank (const xmlNode *node)
{
  return node->type == XML_COMMENT_NODE || node->type == XML_PI_NODE
         || xmlIsBlankNode ((xmlNode *)node);
}

/* Whether @text can stand in XML as it is: UTF-8 without control characters. */
gboolean
berth_xml_is_text (const char *text)
{
  if (!g_utf8_validate (text, -1, NULL))
    return FALSE;

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (g_unichar_iscntrl (c) || c == 0xfffe || c == 0xffff)
        return FALSE;
    }

  return TRUE;
}

/**
 * berth_xml_find:
 * @expression: XPath; the prefixes berth, qemu and xi are known
 *
 * Returns: (transfer full) (nullable): a node set, maybe an empty one; %NULL when @expression is
 *   wrong, too slow, or has another type of value
 */
xmlXPathObject *
berth_xml_find (xmlDoc *doc, const char *expression)
{
  g_auto (Quiet) quiet G_GNUC_UNUSED = quiet_begin ();
  g_autoptr (xmlXPathContext) context = xmlXPathNewContext (doc);
  g_autoptr (xmlXPathObject) found = NULL;

  context->opLimit = XPATH_MAX_OPERATIONS;
  xmlXPathRegisterNs (context, (const xmlChar *)BERTH_MARK_PREFIX, (const xmlChar *)BERTH_MARK_URI);
  xmlXPathRegisterNs (context, (const xmlChar *)"qemu", (const xmlChar *)BERTH_XML_QEMU_URI);
  xmlXPathRegisterNs (context, (const xmlChar *)"xi", (const xmlChar *)BERTH_XML_XINCLUDE_URI);
  found = xmlXPathEvalExpression ((const xmlChar *)expression, context);
  if (found == NULL || found->type != XPATH_NODESET)
    return NULL;

  if (found->nodesetval == NULL)
    found->nodesetval = xmlXPathNodeSetCreate (NULL);
  return g_steal_pointer (&found);
}

/**
 * berth_xml_canonicalize:
 *
 * Returns: (transfer full) (nullable): @doc in exclusive canonical XML without comments; %NULL when
 *   it has no such form (a relative namespace URI)
 */
char *
berth_xml_canonicalize (xmlDoc *doc)
{
  g_auto (Quiet) quiet G_GNUC_UNUSED = quiet_begin ();
  g_autoptr (xmlChar) text = NULL;
  int length = xmlC14NDocDumpMemory (doc, NULL, XML_C14N_EXCLUSIVE_1_0, NULL, 0, &text);

  return length > 0 ? g_strndup ((const char *)text, (gsize)length) : NULL;
}

/* Appends an empty element in no namespace. */
xmlNode *
berth_xml_add (xmlNode *parent, const char *name)
{
  xmlNode *node = xmlNewDocNode (parent->doc, NULL, (const xmlChar *)name, NULL);

  return xmlAddChild (parent, node);
}

/* The same with a text, which is escaped as needed. */
xmlNode *
berth_xml_add_text (xmlNode *parent, const char *name, const char *text)
{
  return xmlNewTextChild (parent, NULL, (const xmlChar *)name, (const xmlChar *)text);
}

xmlNode *
berth_xml_add_number (xmlNode *parent, const char *name, guint64 number)
{
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, number);

  return berth_xml_add_text (parent, name, text);
}

void
berth_xml_set (xmlNode *node, const char *name, const char *value)
{
  xmlSetProp (node, (const xmlChar *)name, (const xmlChar *)value);
}

static void
set_file (xmlNode *node, const char *path)
{
  for (; node != NULL; node = node->next)
    {
      if (node->type != XML_ELEMENT_NODE)
        continue;
      node->_private = (void *)path;
      set_file (node->children, path);
    }
}

/* Remembers in every element which file it comes from, for errors after an include. */
void
berth_xml_set_file (xmlDoc *doc, const char *path)
{
  set_file (xmlDocGetRootElement (doc), g_intern_string (path));
}

const char *
berth_xml_get_file (const xmlNode *node)
{
  const char *path = node->_private;

  return path != NULL ? path : "XML";
}

/* Sets a BERTH_TEMPLATE_ERROR whose message begins with @node's file and line. */
void
berth_xml_set_error (GError **error, int code, const xmlNode *node, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, BERTH_TEMPLATE_ERROR, code, "%s:%ld: %s", berth_xml_get_file (node),
               xmlGetLineNo ((xmlNode *)node), message);
}
