/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of names and ports: their text, and what fits one. */
#include "plugin/reach/berth-reach-rule.h"

#include <string.h>

#include "pool/berth-error.h"

#define TEXT_MAX 1024u
#define LABEL_MAX 63u
#define ADDRESS_CHARS "0123456789abcdefABCDEF:."
#define LABEL_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-_"

void
berth_reach_rule_free (BerthReachRule *self)
{
  if (self == NULL)
    return;
  g_free (self->name);
  g_free (self);
}

/* ---- names ---- */

static gboolean
is_name (const char *name)
{
  if (strlen (name) > BERTH_REACH_NAME_MAX)
    return FALSE;
  for (;;)
    {
      gsize length = strspn (name, LABEL_CHARS);

      if (length == 0 || length > LABEL_MAX)
        return FALSE;
      if (name[length] == '\0')
        return TRUE;
      if (name[length] != '.')
        return FALSE;
      name += length + 1;
    }
}

static gboolean
is_ipv4 (const char *name)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (name);
  g_autofree char *text = address != NULL ? g_inet_address_to_string (address) : NULL;

  return address != NULL && g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV4
         && g_str_equal (text, name);
}

/* (transfer full) (nullable): an address of IPv6 in its one form; none of an interface (%), and
 * none that is one of IPv4, which is written as that */
static char *
dup_ipv6 (const char *name)
{
  g_autoptr (GInetAddress) address = strspn (name, ADDRESS_CHARS) == strlen (name)
                                         ? g_inet_address_new_from_string (name)
                                         : NULL;
  g_autofree char *text = address != NULL ? g_inet_address_to_string (address) : NULL;

  return text != NULL && strchr (text, ':') != NULL && strchr (text, '.') == NULL
             ? g_steal_pointer (&text)
             : NULL;
}

/* Of a name in its own form */
static gboolean
is_address (const char *name)
{
  return strchr (name, ':') != NULL || is_ipv4 (name);
}

/* "1.2", which some resolvers take for an address */
static gboolean
is_numeric (const char *name)
{
  const char *last = strrchr (name, '.');

  last = last != NULL ? last + 1 : name;
  return strspn (last, "0123456789") == strlen (last) || g_str_has_prefix (last, "0x");
}

char *
berth_reach_name_normalize (const char *name)
{
  gsize length = strlen (name);
  g_autofree char *shorter = NULL;
  g_autofree char *ascii = NULL;
  g_autofree char *lower = NULL;

  if (length > TEXT_MAX || !g_utf8_validate (name, -1, NULL))
    return NULL;
  if (strchr (name, ':') != NULL)
    return dup_ipv6 (name);
  shorter = g_strndup (name, length > 1 && name[length - 1] == '.' ? length - 1 : length);
  ascii = g_hostname_to_ascii (shorter);
  lower = ascii != NULL ? g_ascii_strdown (ascii, -1) : NULL;
  if (lower == NULL || !is_name (lower) || (is_numeric (lower) && !is_ipv4 (lower)))
    return NULL;
  return g_steal_pointer (&lower);
}

/* Where the name ends: "NAME:PORT", "[ADDRESS]:PORT". NULL: that is no name's. */
static const char *
find_end (const char *text)
{
  const char *end = text[0] == '[' ? strchr (text, ']') : NULL;

  if (text[0] != '[')
    return text + strcspn (text, ":");
  return end != NULL && (end[1] == '\0' || end[1] == ':') ? end + 1 : NULL;
}

gboolean
berth_reach_rule_names_ports (const char *text)
{
  const char *end = find_end (text);

  return end != NULL && end[0] == ':';
}

static char *
dup_rule_name (const char *text)
{
  g_autofree char *rest = NULL;
  g_autofree char *name = NULL;

  if (text[0] == '[')
    {
      rest = g_strndup (text + 1, strlen (text) - 2);
      return strchr (rest, ':') != NULL ? berth_reach_name_normalize (rest) : NULL;
    }
  if (g_str_equal (text, "*"))
    return g_strdup (text);
  if (!g_str_has_prefix (text, "*."))
    return berth_reach_name_normalize (text);
  rest = berth_reach_name_normalize (text + 2);
  if (rest == NULL || is_address (rest))
    return NULL;
  name = g_strconcat ("*.", rest, NULL);
  return strlen (name) <= BERTH_REACH_NAME_MAX ? g_steal_pointer (&name) : NULL;
}

/* ---- ports ---- */

/* In their order, each once; FALSE: there are too many. */
static gboolean
rule_add_port (BerthReachRule *self, guint16 port)
{
  guint at = 0;

  while (at < self->n_ports && self->ports[at] < port)
    at++;
  if (at < self->n_ports && self->ports[at] == port)
    return TRUE;
  if (self->n_ports == BERTH_REACH_PORTS_MAX)
    return FALSE;
  memmove (&self->ports[at + 1], &self->ports[at], (self->n_ports - at) * sizeof self->ports[0]);
  self->ports[at] = port;
  self->n_ports++;
  return TRUE;
}

static gboolean
rule_take_ports (BerthReachRule *self, const char *text)
{
  g_auto (GStrv) ports = g_strsplit (text, ",", -1);

  if (g_str_equal (text, "*"))
    {
      self->has_any_port = TRUE;
      return TRUE;
    }
  for (guint i = 0; ports[i] != NULL; i++)
    {
      guint64 port;

      if (!g_ascii_string_to_unsigned (ports[i], 10, 1, G_MAXUINT16, &port, NULL)
          || !rule_add_port (self, (guint16)port))
        return FALSE;
    }
  return self->n_ports > 0;
}

/* ---- rules ---- */

static BerthReachRule *
rule_refuse (const char *text, GError **error)
{
  g_autofree char *valid = g_utf8_make_valid (text, MIN ((gssize)strlen (text), 200));
  g_autofree char *shown = g_strescape (valid, NULL);

  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "'%s' is no rule: give %s", shown,
               BERTH_REACH_ALLOWED_FORM);
  return NULL;
}

BerthReachRule *
berth_reach_rule_parse (const char *text, GError **error)
{
  g_autoptr (BerthReachRule) self = g_new0 (BerthReachRule, 1);
  const char *end = find_end (text);
  g_autofree char *name = end != NULL ? g_strndup (text, (gsize)(end - text)) : NULL;

  if (name == NULL || strlen (text) > TEXT_MAX)
    return rule_refuse (text, error);
  self->name = dup_rule_name (name);
  if (self->name == NULL || !rule_take_ports (self, end[0] == ':' ? end + 1 : "80,443"))
    return rule_refuse (text, error);
  self->is_address = is_address (self->name);
  return g_steal_pointer (&self);
}

char *
berth_reach_rule_to_text (const BerthReachRule *self)
{
  GString *text = g_string_new (NULL);
  gboolean is_ipv6 = strchr (self->name, ':') != NULL;

  g_string_append_printf (text, is_ipv6 ? "[%s]" : "%s", self->name);

  if (self->has_any_port)
    g_string_append (text, ":*");
  for (guint i = 0; i < self->n_ports; i++)
    g_string_append_printf (text, "%c%u", i == 0 ? ':' : ',', self->ports[i]);
  return g_string_free (text, FALSE);
}

/* An address is no name of any pattern. */
static gboolean
name_fits (const BerthReachRule *self, const char *name)
{
  if (self->name[0] != '*')
    return g_str_equal (self->name, name);
  return !is_address (name) && g_str_has_suffix (name, self->name + 1)
         && strlen (name) > strlen (self->name + 1);
}

gboolean
berth_reach_rule_has_port (const BerthReachRule *self, guint16 port)
{
  for (guint i = 0; i < self->n_ports; i++)
    if (self->ports[i] == port)
      return TRUE;
  return self->has_any_port && port != 0;
}

gboolean
berth_reach_rule_fits (const BerthReachRule *self, const char *name, guint16 port)
{
  return name_fits (self, name) && berth_reach_rule_has_port (self, port);
}

gboolean
berth_reach_rule_has_names_of (const BerthReachRule *self, const BerthReachRule *other)
{
  return g_str_equal (self->name, other->name)
         || (!g_str_equal (other->name, "*") && name_fits (self, other->name));
}

/* ---- several ---- */

GPtrArray *
berth_reach_rules_parse (const char *const *texts, GError **error)
{
  g_autoptr (GPtrArray) rules
      = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_reach_rule_free);

  for (guint i = 0; texts != NULL && texts[i] != NULL; i++)
    {
      BerthReachRule *rule = berth_reach_rule_parse (texts[i], error);

      if (rule == NULL)
        return NULL;
      g_ptr_array_add (rules, rule);
    }
  return g_steal_pointer (&rules);
}

char **
berth_reach_rules_to_texts (const GPtrArray *rules)
{
  char **texts = g_new0 (char *, rules->len + 1);

  for (guint i = 0; i < rules->len; i++)
    texts[i] = berth_reach_rule_to_text (rules->pdata[i]);
  return texts;
}

gboolean
berth_reach_rules_fit (const GPtrArray *rules, const char *name, guint16 port)
{
  for (guint i = 0; i < rules->len; i++)
    if (berth_reach_rule_fits (rules->pdata[i], name, port))
      return TRUE;
  return FALSE;
}
