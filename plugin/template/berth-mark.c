/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes the mark for libvirt's metadata, and reads it back trusting nothing: the administrator's
 * tools, another berth or chance may have put there what they liked. */
#include "berth-mark.h"

#include <string.h>

#include "agent/berth-language.h"
#include "berth-mark-private.h"
#include "berth-template.h"

#define MARK_ELEMENT "vm"
#define IDLE_ATTRIBUTE "idle-timeout-ms"
#define PAUSE_ATTRIBUTE "idle-pause-ms"
#define HIBERNATE_ATTRIBUTE "idle-hibernate-ms"
#define GENERATION_ATTRIBUTE "generation"
#define MAX_CHARACTERS 256 /* of an attribute */
#define ALLOW_MAX (32u * 1024u)
#define MARK_PATH "mark" /* what errors call it; the caller knows the domain's name */

typedef gboolean (*ValueCheck) (const char *value);

static gboolean
is_text (const char *value)
{
  return *value != '\0' && berth_xml_is_text (value) && g_utf8_strlen (value, -1) <= MAX_CHARACTERS;
}

static gboolean
is_word_of (const char *value, gsize max_length, const char *also)
{
  gsize length = strlen (value);

  if (length == 0 || length > max_length)
    return FALSE;

  for (gsize i = 0; i < length; i++)
    {
      if (!g_ascii_isalnum (value[i]) && strchr (also, value[i]) == NULL)
        return FALSE;
    }

  return TRUE;
}

/* what tenants, tasks and ids are made of */
static gboolean
is_word (const char *value)
{
  return is_word_of (value, 128, "_-");
}

/* it may name a folder */
static gboolean
is_snapshot (const char *value)
{
  return is_word_of (value, 128, "._-") && value[0] != '.';
}

static gboolean
is_template_name (const char *value)
{
  return g_regex_match_simple ("^[a-z][a-z0-9-]{0,31}\\z", value, G_REGEX_RAW, 0);
}

static gboolean
is_language (const char *value)
{
  return g_regex_match_simple ("^(" BERTH_LANGUAGE_PATTERN "|" BERTH_TEMPLATE_NO_LANGUAGE ")\\z",
                               value, G_REGEX_RAW, 0);
}

static gboolean
is_state (const char *value)
{
  static const char *const states[]
      = { BERTH_MARK_STATE_WARM,     BERTH_MARK_STATE_SESSION, BERTH_MARK_STATE_RUN,
          BERTH_MARK_STATE_SNAPSHOT, BERTH_MARK_STATE_PLACE,   NULL };

  return g_strv_contains (states, value);
}

/* of rules, whose meaning is looked at by who reads them */
static gboolean
is_rules (const char *value)
{
  return is_word_of (value, ALLOW_MAX, "*.:,_-[] ");
}

typedef struct
{
  const char *name;
  gsize offset; /* of the char * in BerthMark */
  gboolean is_required;
  ValueCheck check;
  const char *allowed;
} MarkField;

static const MarkField mark_fields[] = {
  { "instance", G_STRUCT_OFFSET (BerthMark, instance), TRUE, is_text, "1 to 256 characters" },
  { "id", G_STRUCT_OFFSET (BerthMark, id), TRUE, is_word, "1 to 128 of A-Z a-z 0-9 _ -" },
  { "template", G_STRUCT_OFFSET (BerthMark, template_name), TRUE, is_template_name,
    "a template's name: a-z, then up to 31 of a-z 0-9 -" },
  { "language", G_STRUCT_OFFSET (BerthMark, language), FALSE, is_language, BERTH_LANGUAGE_WORDS },
  { "snapshot", G_STRUCT_OFFSET (BerthMark, snapshot), FALSE, is_snapshot,
    "1 to 128 of A-Z a-z 0-9 . _ -, the first not a dot" },
  { "state", G_STRUCT_OFFSET (BerthMark, state), TRUE, is_state,
    "warm, session, run, snapshot or place" },
  { "process", G_STRUCT_OFFSET (BerthMark, process), FALSE, is_word,
    "1 to 128 of A-Z a-z 0-9 _ -" },
  { "tenant", G_STRUCT_OFFSET (BerthMark, tenant), FALSE, is_word, "1 to 128 of A-Z a-z 0-9 _ -" },
  { "task", G_STRUCT_OFFSET (BerthMark, task), FALSE, is_word, "1 to 128 of A-Z a-z 0-9 _ -" },
  { "allow", G_STRUCT_OFFSET (BerthMark, allow), FALSE, is_rules, "rules of names and ports" },
  { "fork-of", G_STRUCT_OFFSET (BerthMark, fork_of), FALSE, is_word,
    "1 to 128 of A-Z a-z 0-9 _ -" },
  { "checkpoint", G_STRUCT_OFFSET (BerthMark, checkpoint), FALSE, is_word,
    "1 to 128 of A-Z a-z 0-9 _ -" },
  { "definition", G_STRUCT_OFFSET (BerthMark, definition), FALSE, is_word,
    "1 to 128 of A-Z a-z 0-9 _ -" },
};

/**
 * berth_mark_free:
 * @self: (nullable) (transfer full): with all its strings
 */
void
berth_mark_free (BerthMark *self)
{
  if (self == NULL)
    return;

  for (gsize i = 0; i < G_N_ELEMENTS (mark_fields); i++)
    g_free (G_STRUCT_MEMBER (char *, self, mark_fields[i].offset));
  g_free (self);
}

/* @text with what XML can't carry, or what would break a line, replaced */
static char *
dup_clean (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *clean = g_string_sized_new (strlen (valid));

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (clean,
                               g_unichar_iscntrl (c) || c == 0xfffe || c == 0xffff ? 0xfffd : c);
    }

  return g_string_free (clean, FALSE);
}

/* 0: it has none */
static void
set_number (xmlNode *node, const char *name, guint32 ms)
{
  g_autofree char *text = g_strdup_printf ("%u", ms);

  if (ms > 0)
    berth_xml_set (node, name, text);
}

/* (transfer full): the element, not yet anywhere in @doc's tree */
xmlNode *
berth_mark_to_node (const BerthMark *self, xmlDoc *doc)
{
  xmlNode *node = xmlNewDocNode (doc, NULL, (const xmlChar *)MARK_ELEMENT, NULL);

  xmlSetNs (node,
            xmlNewNs (node, (const xmlChar *)BERTH_MARK_URI, (const xmlChar *)BERTH_MARK_PREFIX));
  for (gsize i = 0; i < G_N_ELEMENTS (mark_fields); i++)
    {
      const char *value = G_STRUCT_MEMBER (const char *, self, mark_fields[i].offset);
      g_autofree char *clean = value != NULL ? dup_clean (value) : NULL;

      if (clean != NULL)
        berth_xml_set (node, mark_fields[i].name, clean);
    }
  if (self->uid != G_MAXUINT32)
    {
      g_autofree char *uid = g_strdup_printf ("%u", self->uid);

      berth_xml_set (node, "uid", uid);
    }
  set_number (node, IDLE_ATTRIBUTE, self->idle_timeout_ms);
  set_number (node, PAUSE_ATTRIBUTE, self->idle_pause_ms);
  set_number (node, HIBERNATE_ATTRIBUTE, self->idle_hibernate_ms);
  set_number (node, GENERATION_ATTRIBUTE, self->generation);

  g_autofree char *created = g_strdup_printf ("%" G_GINT64_FORMAT, self->created);
  berth_xml_set (node, "created", created);
  return node;
}

static char *
mark_to_text (const BerthMark *self, gboolean with_namespace)
{
  g_autoptr (xmlDoc) doc = NULL;
  g_autoptr (xmlBuffer) buffer = NULL;
  xmlNode *root = NULL;

  berth_xml_init ();
  doc = xmlNewDoc ((const xmlChar *)"1.0");
  root = berth_mark_to_node (self, doc);
  xmlDocSetRootElement (doc, root);
  if (!with_namespace)
    {
      xmlSetNs (root, NULL);
      xmlFreeNsList (root->nsDef);
      root->nsDef = NULL;
    }
  buffer = xmlBufferCreate ();
  xmlNodeDump (buffer, doc, root, 0, 0);
  return g_strdup ((const char *)xmlBufferContent (buffer));
}

/**
 * berth_mark_to_xml:
 *
 * Always well-formed: a character that XML can't carry becomes U+FFFD.
 *
 * Returns: (transfer full): the element with its namespace, as it stands in a domain's XML
 */
char *
berth_mark_to_xml (const BerthMark *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return mark_to_text (self, TRUE);
}

/**
 * berth_mark_to_metadata:
 *
 * libvirt gives the element its namespace itself, and refuses one that has it already.
 *
 * Returns: (transfer full): the element without its namespace, as virDomainSetMetadata() takes it
 *   with %VIR_DOMAIN_METADATA_ELEMENT, key %BERTH_MARK_PREFIX and %BERTH_MARK_URI
 */
char *
berth_mark_to_metadata (const BerthMark *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return mark_to_text (self, FALSE);
}

static gboolean
read_field (BerthMark *self, const MarkField *field, const xmlNode *node, GError **error)
{
  g_autofree char *value = berth_xml_dup_attribute (node, field->name);

  if (value == NULL && field->is_required)
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node, "%s is missing", field->name);
      return FALSE;
    }
  if (value != NULL && !field->check (value))
    {
      g_autofree char *clean = dup_clean (value);

      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node, "%s='%.64s' must be %s",
                           field->name, clean, field->allowed);
      return FALSE;
    }

  G_STRUCT_MEMBER (char *, self, field->offset) = g_steal_pointer (&value);
  return TRUE;
}

static gboolean
read_number (const xmlNode *node, const char *name, guint32 *out_ms, GError **error)
{
  g_autofree char *text = berth_xml_dup_attribute (node, name);
  guint64 number = 0;

  if (text != NULL && !g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT32, &number, NULL))
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node,
                           "%s must be a number of 1 or more", name);
      return FALSE;
    }
  *out_ms = (guint32)number;
  return TRUE;
}

static gboolean
read_numbers (BerthMark *self, const xmlNode *node, GError **error)
{
  g_autofree char *uid = berth_xml_dup_attribute (node, "uid");
  g_autofree char *created = berth_xml_dup_attribute (node, "created");
  guint64 uid_number = G_MAXUINT32;

  if (uid != NULL && !g_ascii_string_to_unsigned (uid, 10, 0, G_MAXUINT32, &uid_number, NULL))
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node, "uid must be a user's number");
      return FALSE;
    }
  if (created == NULL
      || !g_ascii_string_to_signed (created, 10, G_MININT64, G_MAXINT64, &self->created, NULL))
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, node,
                           "created must be a Unix time in seconds");
      return FALSE;
    }

  self->uid = (guint32)uid_number;
  return read_number (node, IDLE_ATTRIBUTE, &self->idle_timeout_ms, error)
         && read_number (node, PAUSE_ATTRIBUTE, &self->idle_pause_ms, error)
         && read_number (node, HIBERNATE_ATTRIBUTE, &self->idle_hibernate_ms, error)
         && read_number (node, GENERATION_ATTRIBUTE, &self->generation, error);
}

/* NULL and *@error unset: none; NULL and *@error set: two */
static const xmlNode *
find_mark (xmlDoc *doc, GError **error)
{
  const xmlNode *root = xmlDocGetRootElement (doc);
  const xmlNode *metadata = NULL;
  const xmlNode *mark = NULL;

  if (berth_xml_is (root, BERTH_MARK_URI, MARK_ELEMENT))
    return root;
  if (!berth_xml_is (root, NULL, "domain"))
    return NULL;

  metadata = berth_xml_child (root, NULL, "metadata");
  mark = metadata != NULL ? berth_xml_child (metadata, BERTH_MARK_URI, MARK_ELEMENT) : NULL;
  if (mark != NULL && berth_xml_next (mark, BERTH_MARK_URI, MARK_ELEMENT) != NULL)
    {
      berth_xml_set_error (error, BERTH_TEMPLATE_ERROR_SCHEMA, mark, "a second mark follows");
      return NULL;
    }

  return mark;
}

/**
 * berth_mark_parse:
 * @xml: the element alone (virDomainGetMetadata()) or a whole domain's XML, of at most 1 MiB
 *
 * Errors are %BERTH_TEMPLATE_ERROR_PARSE (not XML, or with a DTD) and
 * %BERTH_TEMPLATE_ERROR_SCHEMA (a mark that berth can't have written). What it returns is safe to
 * use in names of files and in titles.
 *
 * Returns: (transfer full) (nullable): %NULL and *@error unset when there is no mark
 */
BerthMark *
berth_mark_parse (const char *xml, GError **error)
{
  g_autoptr (xmlDoc) doc = NULL;
  g_autoptr (BerthMark) self = NULL;
  const xmlNode *node = NULL;

  g_return_val_if_fail (xml != NULL, NULL);

  doc = berth_xml_parse (xml, strlen (xml), MARK_PATH, error);
  if (doc == NULL)
    return NULL;
  node = find_mark (doc, error);
  if (node == NULL)
    return NULL;

  self = g_new0 (BerthMark, 1);
  for (gsize i = 0; i < G_N_ELEMENTS (mark_fields); i++)
    {
      if (!read_field (self, &mark_fields[i], node, error))
        return NULL;
    }
  if (!read_numbers (self, node, error))
    return NULL;

  return g_steal_pointer (&self);
}

/**
 * berth_mark_to_title:
 *
 * Returns: (transfer full): one line without control characters, as libvirt's titles must be:
 *   "python, tenant acme, task 42", or "python, warm" while it is nobody's
 */
char *
berth_mark_to_title (const BerthMark *self)
{
  g_autoptr (GString) title = NULL;

  g_return_val_if_fail (self != NULL, NULL);

  title = g_string_new (self->template_name);
  if (self->tenant != NULL)
    g_string_append_printf (title, ", tenant %s", self->tenant);
  if (self->task != NULL)
    g_string_append_printf (title, ", task %s", self->task);
  if (self->tenant == NULL && self->task == NULL)
    g_string_append_printf (title, ", %s", self->state);
  if (self->fork_of != NULL && g_str_equal (self->fork_of, self->id))
    g_string_append (title, ", rolled back"); /* to what it was itself */
  else if (self->fork_of != NULL)
    g_string_append_printf (title, ", fork of %s", self->fork_of);
  if (self->checkpoint != NULL)
    g_string_append_printf (title, " at %s", self->checkpoint);

  return dup_clean (title->str);
}
